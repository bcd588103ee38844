"""Enum values that a request must give."""

from enum import Enum
from typing import Any, TypeVar

from headrace_auth.domain.refusals import invalid_field
from headrace_common.proto_enums import from_proto

E = TypeVar("E", bound=Enum)


def required_from_proto(domain: type[E], proto: Any, number: int, param: str) -> E:
    """Raises INVALID_FIELD for the unspecified value, and for one that is not known here."""
    found = from_proto(domain, proto, number)
    if found is None:
        known = ", ".join(str(member.value) for member in domain)
        raise invalid_field(param, f"must be one of {known}")
    return found
