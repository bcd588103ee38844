"""Enums of the domains and of the protos have the same names, each way."""

from enum import Enum
from typing import Any

import pytest

from headrace.audit.v1 import audit_pb2
from headrace.auth.v1 import auth_pb2, directory_pb2
from headrace_audit.domain import events
from headrace_auth.domain.audit_entries import EntryKind
from headrace_auth.domain.directory import UserKind
from headrace_auth.domain.principal import (
    BudgetPeriod,
    CredentialKind,
    LimitKind,
    Role,
    Subject,
    Tier,
)
from headrace_auth.domain.rights import Reach
from headrace_common.proto_enums import from_proto, to_proto
from headrace_gateway.domain import exchange

SAME = [
    (Role, auth_pb2.Role),
    (CredentialKind, auth_pb2.CredentialKind),
    (LimitKind, auth_pb2.LimitKind),
    (Subject, auth_pb2.LimitSubject),
    (BudgetPeriod, auth_pb2.BudgetPeriod),
    (Tier, auth_pb2.Tier),
    (UserKind, directory_pb2.UserKind),
    (Reach, directory_pb2.Reach),
    (events.EventKind, audit_pb2.EventKind),
    (events.Outcome, audit_pb2.Outcome),
    (exchange.Outcome, audit_pb2.Outcome),
]
PART = [(EntryKind, audit_pb2.EventKind), (exchange.Activity, audit_pb2.EventKind)]
"""Of the audit's events, each service writes some kinds."""


@pytest.mark.parametrize(("domain", "proto"), [*SAME, *PART])
def test_every_member_goes_there_and_back(domain: type[Enum], proto: Any) -> None:
    for member in domain:
        assert from_proto(domain, proto, to_proto(proto, member)) is member


@pytest.mark.parametrize(("domain", "proto"), SAME)
def test_every_value_but_the_unspecified_is_known(domain: type[Enum], proto: Any) -> None:
    unknown = [number for number in proto.values() if from_proto(domain, proto, number) is None]
    assert unknown == [0]


@pytest.mark.parametrize("number", [0, 99, -1])
def test_what_is_not_known_is_none(number: int) -> None:
    assert from_proto(Role, auth_pb2.Role, number) is None


class Odd(Enum):
    """Not what the proto has."""

    NOBODY = 1


def test_a_member_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="ROLE_NOBODY"):
        to_proto(auth_pb2.Role, Odd.NOBODY)
