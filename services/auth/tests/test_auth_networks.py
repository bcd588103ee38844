"""Networks of API keys: strict CIDR, and errors that say what to write instead."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain.networks import MAXIMUM_NETWORKS, check_networks
from headrace_common.errors import HeadraceError, Reason

NETWORKS = st.one_of(
    st.builds(
        lambda bits, prefix: ip_network((bits >> (32 - prefix) << (32 - prefix), prefix)),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda bits, prefix: ip_network((bits >> (128 - prefix) << (128 - prefix), prefix)),
        st.integers(2**125, 2**126 - 1),
        st.integers(0, 128),
    ),
)


def _check(*texts: str) -> tuple[str, ...]:
    return check_networks("allowed_networks", texts)


def _refusal(*texts: str) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        _check(*texts)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "allowed_networks")
    return caught.value


@given(NETWORKS)
def test_every_network_is_kept_in_its_canonical_form(network: object) -> None:
    text = str(network)
    assert _check(text) == (text,)
    assert _check(text.upper()) == (text,)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2001:0db8:0000::/32", "2001:db8::/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("10.1.2.3/32", "10.1.2.3/32"),
    ],
)
def test_spellings_become_one(text: str, kept: str) -> None:
    assert _check(text) == (kept,)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("192.168.1.77/24", "192.168.1.0/24"),
        ("2001:db8::1/64", "2001:db8::/64"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1/128", "10.0.0.1/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:0:0/80", "::/80"),
    ],
)
def test_a_slip_is_refused_with_what_to_write_instead(text: str, fix: str) -> None:
    assert _refusal(text).message.endswith(f": write {fix}")


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8"),
        *("10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "010.0.0.0/8", "256.0.0.0/8"),
        *("2001:db8::/129", "2001:db8::/٣٢", "fe80::1%eth0/128", "::1::/64", "localhost/8"),
        *(" 10.0.0.0/8", "10.0.0.0/8\n", "10.0.0.0/8\0", "10.0.0.0 /8", "x" * 10_000),
    ],
)
def test_text_that_is_no_network_is_refused(text: str) -> None:
    message = _refusal("10.0.0.0/8", text).message
    assert len(message) < 200, "what was sent is not sent back"


def test_repetitions_count_once() -> None:
    assert _check("10.0.0.0/8", "10.0.0.0/08", "::/0", "10.0.0.0/8") == ("10.0.0.0/8", "::/0")


def test_fifty_are_enough() -> None:
    texts = [f"10.0.{number}.0/24" for number in range(MAXIMUM_NETWORKS + 1)]
    assert len(_check(*texts[:-1])) == 50
    assert "50" in _refusal(*texts).message
