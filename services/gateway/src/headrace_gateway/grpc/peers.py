"""Where a call comes from: what its connection says, or a trusted proxy."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote

Address = IPv4Address | IPv6Address


class Peers:
    """Reads addresses as the HTTP door does."""

    def __init__(self, trusted_proxies: str) -> None:
        """Addresses and networks, separated by commas, as settings have checked them."""
        names = (name.strip() for name in trusted_proxies.split(","))
        self._trusted = tuple(ip_network(name) for name in names if name)

    def source_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The caller's address, or nothing if it has none that we understand.

        Of `x-forwarded-for` the last hop counts that is not ours, and only from a trusted peer.
        """
        address = _peer_address(peer)
        hops = [hop.strip() for line in forwarded_for for hop in line.split(",") if hop.strip()]
        if not hops or not self._trusts(address):
            return _text(address)
        addresses = [_address(hop) for hop in hops]
        for hop in reversed(addresses):
            if not self._trusts(hop):
                return _text(hop)
        return _text(addresses[0])

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _peer_address(peer: str) -> Address | None:
    """From `ipv4:192.0.2.7:4711` or `ipv6:%5B2001:db8::7%5D:4711`; a Unix socket has none."""
    _, _, place = unquote(peer).partition(":")
    host, _, _ = place.rpartition(":")
    return _address(host.strip("[]"))


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _text(address: Address | None) -> str:
    return "" if address is None else str(address)
