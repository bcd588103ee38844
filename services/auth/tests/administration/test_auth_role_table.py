"""The table of rights as data says what `authorize` does, cell by cell."""

import pytest

from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role, Scope
from headrace_auth.domain.rights import (
    RULES,
    SCOPES_OF_ROLE,
    Action,
    Reach,
    allows,
    authorize,
    check_gift,
    check_grant,
)
from headrace_auth.domain.role_table import RoleRights, describe_roles
from headrace_common.errors import HeadraceError, Reason

TABLE = {rights.role: rights for rights in describe_roles()}


def principal(role: Role, scopes: frozenset[Scope] = frozenset(Scope)) -> Principal:
    """Somebody in the platform's organisation."""
    member = Member("user", "organisation", role, 1, in_platform=True)
    return Principal("token", CredentialKind.ACCESS_TOKEN, member, scopes, (), ())


def cell(rights: RoleRights, action: Action) -> Reach | None:
    """How far the table says that the role may go."""
    found = [each.reach for each in rights.permissions if each.action is action]
    return found[0] if found else None


def test_there_is_one_column_per_role() -> None:
    assert list(TABLE) == list(Role)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_every_cell_is_what_is_decided(role: Role, action: Action) -> None:
    said = cell(TABLE[role], action)
    assert allows(principal(role), action) is (said is not None)
    if said is not None:
        assert authorize(principal(role), action) is said


@pytest.mark.parametrize("role", Role)
def test_scopes_and_roles_to_grant_are_what_is_decided(role: Role) -> None:
    assert set(TABLE[role].scopes) == SCOPES_OF_ROLE[role]
    for other in Role:
        try:
            check_grant(principal(role), other)
            may = True
        except HeadraceError:
            may = False
        assert (other in TABLE[role].grantable_roles) is may


def test_every_action_and_its_needs_are_shown() -> None:
    shown = {each.action: each for each in TABLE[Role.OWNER].permissions}
    own_or_more = {action for action, rule in RULES.items() if rule.owner is not None}
    assert set(shown) == own_or_more
    for action, permission in shown.items():
        rule = RULES[action]
        assert (permission.scope, permission.personal) == (rule.scope, rule.personal)


@pytest.mark.parametrize("granted", Role)
@pytest.mark.parametrize("granter", Role)
def test_what_one_grants_is_within_what_the_credential_has(granter: Role, granted: Role) -> None:
    needed = SCOPES_OF_ROLE[granted]
    for scopes in (
        needed,
        SCOPES_OF_ROLE[granter],
        needed - {Scope.MODELS_READ},
        frozenset[Scope](),
    ):
        who = principal(granter, scopes)
        may = granted in TABLE[granter].grantable_roles and needed <= scopes
        if may:
            check_gift(who, granted)
            continue
        with pytest.raises(HeadraceError) as caught:
            check_gift(who, granted)
        assert caught.value.reason is Reason.PERMISSION_DENIED
