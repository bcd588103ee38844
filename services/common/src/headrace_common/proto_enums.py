"""Between a proto's enum values and a domain enum, whose members have the same names.

`Role.OWNER` is the proto's `ROLE_OWNER`: what stands before `UNSPECIFIED` in the name of the
value 0 stands before every name.
"""

from enum import Enum
from typing import Any, TypeVar

E = TypeVar("E", bound=Enum)


def to_proto(proto: Any, member: Enum) -> Any:
    """The value of the proto's enum, for example `auth_pb2.Role`; raises ValueError without one."""
    return proto.Value(_prefix(proto) + member.name)


def from_proto(domain: type[E], proto: Any, number: int) -> E | None:
    """None for the unspecified value, and for one that is not known here."""
    try:
        name: str = proto.Name(number)
    except ValueError:
        return None
    return domain.__members__.get(name.removeprefix(_prefix(proto)))


def _prefix(proto: Any) -> str:
    """`LIMIT_KIND_` of `LimitKind`."""
    unspecified: str = proto.Name(0)
    return unspecified.removesuffix("UNSPECIFIED")
