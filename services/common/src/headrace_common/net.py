"""Small facts about network addresses."""

from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
"""What one customer or machine gets: whoever has one address of it has all of them."""


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair; raises ValueError on anything else."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit() or not host:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def source_of(address: str) -> str:
    """Whom an address stands for: itself, or of IPv6 its /64; raises ValueError for other text."""
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False))
