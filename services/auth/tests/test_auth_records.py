"""Records as others are shown them: as JSON, under their name, and never with a secret."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, get_type_hints

import pytest

from headrace_auth.adapters.postgres.store import TABLES
from headrace_auth.domain.directory import Membership, UserKind
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.domain.records import Kind, key_of, resource_of, shown
from headrace_auth.domain.sessions import RecoveryCode

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TYPES = [record_type for record_type, _ in TABLES]
TELLING = ("password", "secret", "hash", "sha256", "challenge", "sealed", "payload")


@dataclass(frozen=True, slots=True)
class Sample:
    """Has a field of every type that records have."""

    KIND: ClassVar = Kind("sample", ("sample_id", "number"))

    sample_id: str
    number: int
    kind: UserKind
    scopes: frozenset[Scope]
    models: tuple[str, ...]
    prices: Mapping[str, Any]
    made_at: datetime
    ended_at: datetime | None
    secret: str = field(repr=False)
    digest: bytes = field(repr=False)


SAMPLE = Sample(
    "s1",
    7,
    UserKind.SERVICE,
    frozenset({Scope.MODELS_READ, Scope.KEYS_READ}),
    ("b", "a"),
    MappingProxyType({"echo": {"input": 1}, "roles": (Role.OWNER,)}),
    NOW,
    None,
    "canary",
    b"canary",
)


def test_a_record_is_shown_as_json_without_its_secrets() -> None:
    assert shown(SAMPLE) == {
        "sample_id": "s1",
        "number": 7,
        "kind": "service",
        "scopes": ["keys:read", "models:read"],
        "models": ["b", "a"],
        "prices": {"echo": {"input": 1}, "roles": ["owner"]},
        "made_at": "2026-01-02T03:04:05.678901+00:00",
        "ended_at": None,
    }
    assert "canary" not in json.dumps(shown(SAMPLE)) + repr(SAMPLE)


def test_nothing_is_shown_as_nothing() -> None:
    assert shown(None) is None


def test_a_record_is_named_by_its_kind_and_its_key() -> None:
    membership = Membership("u1", "o1", Role.MEMBER, NOW)
    assert key_of(membership) == ("u1", "o1")
    assert resource_of(membership) == "membership:u1:o1"
    assert resource_of(SAMPLE) == "sample:s1:7"


def test_a_secret_part_of_a_key_is_not_in_the_name() -> None:
    code = RecoveryCode("u1", b"canary", NOW)
    assert key_of(code) == ("u1", b"canary")
    assert resource_of(code) == "recovery_code:u1"


@pytest.mark.parametrize("record_type", TYPES, ids=lambda record_type: record_type.__name__)
def test_no_kind_of_record_shows_what_looks_like_a_secret(record_type: Any) -> None:
    hints = get_type_hints(record_type)
    for each in fields(record_type):
        telling = any(word in each.name for word in TELLING) and hints[each.name] is not datetime
        text = hints[each.name] in (str, str | None)
        if hints[each.name] in (bytes, bytes | None) or (telling and text):
            assert not each.repr, each.name


@pytest.mark.parametrize("record_type", TYPES, ids=lambda record_type: record_type.__name__)
def test_every_kind_of_record_has_the_key_that_it_says(record_type: Any) -> None:
    names = {each.name for each in fields(record_type)}
    assert set(record_type.KIND.key) <= names
    assert {name for unique in record_type.KIND.unique for name in unique} <= names


def test_no_two_kinds_of_record_have_one_name() -> None:
    names = [record_type.KIND.name for record_type in TYPES]
    assert len(set(names)) == len(names)
