"""The tables role x action and role x scope, one test for every cell, written out a second time."""

import pytest

from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role, Scope
from headrace_auth.domain.rights import (
    DEFAULT_KEY_SCOPES,
    SCOPES_OF_ROLE,
    Action,
    Reach,
    authorize,
    effective_scopes,
)
from headrace_common.errors import HeadraceError, Reason

REACHES = {
    #               create  list            revoke
    Role.OWNER: ("own", "organization", "organization"),
    Role.ADMIN: ("own", "organization", "organization"),
    Role.MEMBER: ("own", "own", "own"),
    Role.AUDITOR: (None, "organization", None),
    Role.SERVICE: (None, None, None),
}
ACTIONS = (Action.CREATE_API_KEY, Action.LIST_API_KEYS, Action.REVOKE_API_KEY)
SCOPES = {
    Role.OWNER: "llm:invoke models:read keys:read keys:write",
    Role.ADMIN: "llm:invoke models:read keys:read keys:write",
    Role.MEMBER: "llm:invoke models:read keys:read keys:write",
    Role.AUDITOR: "models:read keys:read",
    Role.SERVICE: "llm:invoke models:read",
}


def _principal(
    role: Role,
    scopes: frozenset[Scope] = frozenset(Scope),
    kind: CredentialKind = CredentialKind.ACCESS_TOKEN,
) -> Principal:
    return Principal("credential", kind, Member("user", "organisation", role, 1), scopes, (), ())


def test_the_tables_here_are_complete() -> None:
    assert set(REACHES) == set(SCOPES) == set(Role)
    assert set(ACTIONS) == set(Action)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_every_cell_of_role_and_action(role: Role, action: Action) -> None:
    expected = REACHES[role][ACTIONS.index(action)]
    if expected is None:
        with pytest.raises(HeadraceError) as caught:
            authorize(_principal(role), action)
        assert caught.value.reason is Reason.PERMISSION_DENIED
    else:
        assert authorize(_principal(role), action) is Reach(expected)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_every_cell_of_role_and_scope(role: Role, scope: Scope) -> None:
    assert (scope in SCOPES_OF_ROLE[role]) is (scope in SCOPES[role].split())


@pytest.mark.parametrize(
    ("action", "scope"),
    [
        (Action.CREATE_API_KEY, Scope.KEYS_WRITE),
        (Action.LIST_API_KEYS, Scope.KEYS_READ),
        (Action.REVOKE_API_KEY, Scope.KEYS_WRITE),
    ],
)
def test_the_role_alone_is_not_enough(action: Action, scope: Scope) -> None:
    with pytest.raises(HeadraceError) as caught:
        authorize(_principal(Role.OWNER, frozenset(Scope) - {scope}), action)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    authorize(_principal(Role.OWNER, frozenset({scope})), action)


def test_a_key_cannot_make_keys_but_may_revoke() -> None:
    principal = _principal(Role.OWNER, kind=CredentialKind.API_KEY)
    with pytest.raises(HeadraceError) as caught:
        authorize(principal, Action.CREATE_API_KEY)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert authorize(principal, Action.REVOKE_API_KEY) is Reach.ORGANIZATION


def test_a_shrunk_role_shrinks_what_was_granted() -> None:
    assert effective_scopes(frozenset(Scope), Role.AUDITOR) == SCOPES_OF_ROLE[Role.AUDITOR]
    assert effective_scopes(frozenset({Scope.LLM_INVOKE}), Role.AUDITOR) == frozenset()
    assert effective_scopes(frozenset({Scope.LLM_INVOKE}), Role.OWNER) == {Scope.LLM_INVOKE}


def test_keys_by_default_call_models_and_manage_nothing() -> None:
    assert {Scope.LLM_INVOKE, Scope.MODELS_READ} == DEFAULT_KEY_SCOPES
