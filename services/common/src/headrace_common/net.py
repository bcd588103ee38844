"""Small facts about network addresses."""


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair; raises ValueError on anything else."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit() or not host:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)
