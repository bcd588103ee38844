"""Which time zones there are."""

from functools import cache
from importlib.resources import files


def is_time_zone(name: str) -> bool:
    """Whether it is a name of the IANA time zone database.

    The names are those of the package `tzdata`, so that they are the same on every machine; a name
    that is one of a list cannot lead out of any folder.
    """
    return name in _names()


@cache
def _names() -> frozenset[str]:
    listed = files("tzdata").joinpath("zones").read_text("utf-8").split()
    return frozenset(listed) - {"Factory"}  # "local time zone must be set"
