"""From a proto's enum values to the domain's, whose members have the same names."""

from enum import Enum
from typing import Any, TypeVar

from headrace_auth.domain.refusals import invalid_field

E = TypeVar("E", bound=Enum)


def to_domain(domain: type[E], proto: Any, number: int, param: str) -> E:
    """Raises INVALID_FIELD for the unspecified value, and for one that is not known here."""
    found = to_domain_or_none(domain, proto, number)
    if found is None:
        known = ", ".join(str(member.value) for member in domain)
        raise invalid_field(param, f"must be one of {known}")
    return found


def to_domain_or_none(domain: type[E], proto: Any, number: int) -> E | None:
    """None for the unspecified value, and for one that is not known here."""
    for member in domain:
        if proto.Value(_prefix(proto) + member.name) == number:
            return member
    return None


def _prefix(proto: Any) -> str:
    """`LIMIT_KIND_` of `LimitKind`."""
    unspecified: str = proto.Name(0)
    return unspecified.removesuffix("UNSPECIFIED")
