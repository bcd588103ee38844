"""Where calls of the gRPC door come from, with and without proxies."""

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.grpc.peers import Peers
from headrace_gateway.grpc.room import Room

LOCAL = "ipv4:127.0.0.1:4711"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:4711", "192.0.2.7"),
        ("ipv6:%5B2001:db8::7%5D:4711", "2001:db8::7"),
        ("ipv6:[::ffff:10.1.2.3]:4711", "::ffff:a01:203"),
        ("unix:/run/gateway.sock", ""),
        ("", ""),
    ],
)
def test_the_peer_is_who_calls(peer: str, address: str) -> None:
    assert Peers("127.0.0.1").source_address(peer, ()) == address


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ("127.0.0.1", "ipv4:192.0.2.7:1", ["10.1.2.3"], "192.0.2.7"),
        ("127.0.0.1", LOCAL, ["10.1.2.3"], "10.1.2.3"),
        # What stands before the first hop that is not ours is the caller's own word.
        ("127.0.0.1", LOCAL, ["198.51.100.9, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1, 10.0.0.0/8", LOCAL, ["198.51.100.9", "10.1.2.3"], "198.51.100.9"),
        ("127.0.0.1, 10.0.0.0/8", LOCAL, ["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        ("127.0.0.1", LOCAL, ["not an address"], ""),
        ("", LOCAL, ["10.1.2.3"], "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_tells_for_whom_it_asks(
    trusted: str, peer: str, forwarded: list[str], address: str
) -> None:
    assert Peers(trusted).source_address(peer, forwarded) == address


def test_room_is_given_back() -> None:
    room = Room(calls=2, bytes_in_flight=100, share=1)
    with room.taken("a", 60):
        for organization, size in (("a", 41), ("b", 41)):
            with pytest.raises(HeadraceError) as caught, room.taken(organization, size):
                pass
            assert caught.value.reason is Reason.QUEUE_FULL
        with room.taken("b", 40):
            pass
    with room.taken("b", 100):
        pass
    with room.taken("a", 1), room.taken("a", 1), pytest.raises(HeadraceError):
        room.taken("a", 1).__enter__()
