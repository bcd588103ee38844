"""Under which names the end of a principal may be announced."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role
from headrace_auth.domain.revocation_ids import (
    membership_revocation,
    organization_revocation,
    session_revocation,
    user_revocation,
)

MEMBER = Member("u1", "o1", Role.MEMBER, 3, version=5, organization_version=7)
TOKEN = Principal("t1", CredentialKind.ACCESS_TOKEN, MEMBER, frozenset(), (), (), session_id="s1")
KEY = replace(TOKEN, credential_id="k1", credential_kind=CredentialKind.API_KEY, session_id="")
NAMES = st.text("0123456789abcdef-", min_size=1, max_size=40)
VERSIONS = st.integers(1, 2**31)


def test_a_token_ends_with_itself_its_session_its_users_tokens_and_its_place() -> None:
    assert set(TOKEN.revocation_ids) == {
        "t1",
        "session:s1",
        "user:u1:3",
        "member:u1:5",
        "organization:7",
    }


@pytest.mark.parametrize("kind", [CredentialKind.API_KEY, CredentialKind.SIGNATURE])
def test_a_key_outlives_sessions_and_changes_of_the_password(kind: CredentialKind) -> None:
    key = replace(KEY, credential_kind=kind)
    assert set(key.revocation_ids) == {"k1", "member:u1:5", "organization:7"}


def test_a_token_without_a_session_ends_with_none() -> None:
    ids = replace(TOKEN, session_id="").revocation_ids
    assert session_revocation("") not in ids


@pytest.mark.parametrize(
    ("changed", "ended"),
    [
        ({"token_version": 4}, user_revocation("u1", 3)),
        ({"version": 6}, membership_revocation("u1", 5)),
        ({"organization_version": 8}, organization_revocation(7)),
    ],
)
def test_a_principal_that_was_resolved_after_a_change_no_longer_carries_what_ended(
    changed: dict[str, Any], ended: str
) -> None:
    assert ended in TOKEN.revocation_ids
    assert ended not in replace(TOKEN, member=replace(MEMBER, **changed)).revocation_ids


@given(NAMES, NAMES, VERSIONS, VERSIONS)
def test_different_ends_have_different_names(
    one: str, other: str, version: int, other_version: int
) -> None:
    ends: dict[tuple[object, ...], str] = {
        ("session", one): session_revocation(one),
        ("session", other): session_revocation(other),
        ("organization", version): organization_revocation(version),
        ("organization", other_version): organization_revocation(other_version),
    }
    for name in (one, other):
        for number in (version, other_version):
            ends["user", name, number] = user_revocation(name, number)
            ends["member", name, number] = membership_revocation(name, number)
    assert len(set(ends.values())) == len(ends)
    assert not {one, other} & set(ends.values())
