"""Networks that a key may be used from: strict CIDR, since a slip there opens or closes a door."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from headrace_auth.domain.refusals import invalid_field

MAXIMUM_NETWORKS = 50
MAPPED_PREFIX = 96
"""IPv4 within IPv6, `::ffff:0:0/96` (RFC 4291, section 2.5.5.2)."""

_FORM = re.compile(r"[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?")
_EXAMPLES = "for example 10.0.0.0/8 or 2001:db8::/32"


def check_networks(param: str, texts: Iterable[str]) -> tuple[str, ...]:
    """The networks in their canonical form, without repetitions.

    Raises INVALID_FIELD, which says what to write instead where that can be known.
    """
    networks = tuple(dict.fromkeys(_network(param, text) for text in texts))
    if len(networks) > MAXIMUM_NETWORKS:
        raise invalid_field(param, f"at most {MAXIMUM_NETWORKS} networks")
    return networks


def _network(param: str, text: str) -> str:
    if not _FORM.fullmatch(text):
        raise invalid_field(param, f"each must be a network in CIDR notation, {_EXAMPLES}")
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise invalid_field(param, f"each must be an IPv4 or IPv6 network, {_EXAMPLES}") from error
    if "/" not in text:
        raise invalid_field(param, f"a single address needs its prefix, too: write {network}")
    if ip_address(text.partition("/")[0]) != network.network_address:
        raise invalid_field(param, f"bits are set beyond the prefix: write {network}")
    _refuse_mapped(param, network)
    return str(network)


def _refuse_mapped(param: str, network: IPv4Network | IPv6Network) -> None:
    """Callers are told apart by their IPv4 addresses, so such a network would match nobody."""
    if not isinstance(network, IPv6Network) or network.prefixlen < MAPPED_PREFIX:
        return
    mapped = network.network_address.ipv4_mapped
    if mapped is not None:
        meant = f"{mapped}/{network.prefixlen - MAPPED_PREFIX}"
        raise invalid_field(param, f"IPv4 is written without IPv6 around it: write {meant}")
