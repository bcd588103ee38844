"""The tables role x action and role x scope, one test for every cell, written out a second time."""

from dataclasses import replace
from typing import Any

import pytest

from headrace_auth.domain.principal import CredentialKind, Member, Principal, Role, Scope
from headrace_auth.domain.rights import (
    DEFAULT_KEY_SCOPES,
    RULES,
    SCOPES_OF_ROLE,
    Action,
    Reach,
    authorize,
    check_grant,
    effective_scopes,
)
from headrace_common.errors import HeadraceError, Reason

COLUMNS = (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.AUDITOR, Role.SERVICE)
REACHES = {"-": None, "own": Reach.OWN, "all": Reach.ORGANIZATION, "platform": Reach.PLATFORM}
ACTIONS = """
    action                 scope               owner     admin     member    auditor   service

    CreateApiKey           keys:write          all       all       own       -         -   personal
    CreateSigningCredential keys:write         all       all       own       -         -   personal
    ListApiKeys            keys:read           all       all       own       all       -
    GetApiKey              keys:read           all       all       own       all       -
    UpdateApiKey           keys:write          all       all       own       -         -   personal
    RotateApiKey           keys:write          all       all       own       -         -
    RevokeApiKey           keys:write          all       all       own       -         -

    GetMe                  account:read        own       own       own       own       -
    SwitchOrganization     account:write       own       own       own       own       -   personal
    ListSessions           account:read        own       own       own       own       -   personal
    EndSession             account:write       own       own       own       own       -   personal
    EndAllSessions         account:write       own       own       own       own       -   personal
    ChangePassword         account:write       own       own       own       own       -   personal
    StartSecondFactor      account:write       own       own       own       own       -   personal
    ConfirmSecondFactor    account:write       own       own       own       own       -   personal
    RemoveSecondFactor     account:write       own       own       own       own       -   personal
    NewRecoveryCodes       account:write       own       own       own       own       -   personal
    AcceptInvitation       account:write       own       own       own       own       -   personal
    ListIdentities         account:read        own       own       own       own       -   personal
    LinkIdentity           account:write       own       own       own       own       -   personal
    UnlinkIdentity         account:write       own       own       own       own       -   personal

    CreateOrganization     platform:write      platform  -         -         -         -   personal
    ListOrganizations      account:read        own       own       own       own       -
    ListAllOrganizations   platform:write      platform  -         -         -         -
    GetOrganization        organization:read   all       all       all       all       -
    UpdateOrganization     organization:write  all       -         -         -         -
    CreateTeam             organization:write  all       all       -         -         -
    ListTeams              organization:read   all       all       all       all       -
    UpdateTeam             organization:write  all       all       -         -         -
    DeleteTeam             organization:write  all       all       -         -         -
    ListUsers              organization:read   all       all       own       all       -
    GetUser                organization:read   all       all       own       all       -
    UpdateUser             organization:write  all       all       -         -         -
    RemoveUser             organization:write  all       all       -         -         -
    EndUserSessions        organization:write  all       all       -         -         -
    DisableUser            platform:write      platform  -         -         -         -   personal
    EnableUser             platform:write      platform  -         -         -         -   personal
    CreateServiceAccount   organization:write  all       all       -         -         -
    InviteUser             organization:write  all       all       -         -         -
    ListInvitations        organization:read   all       all       -         all       -
    RevokeInvitation       organization:write  all       all       -         -         -
    ListRoles              organization:read   all       all       all       all       -

    ListLimits             limits:read         all       all       own       all       -
    SetLimit               limits:write        all       all       -         -         -
    RemoveLimit            limits:write        all       all       -         -         -
    ListBudgets            limits:read         all       all       own       all       -
    SetBudget              limits:write        all       all       -         -         -
    RemoveBudget           limits:write        all       all       -         -         -
    SetOrganizationLimit   platform:write      platform  -         -         -         -
    SetOrganizationBudget  platform:write      platform  -         -         -         -
    GetPriceTable          limits:read         platform  platform  platform  platform  -
    SetPriceTable          platform:write      platform  -         -         -         -
    SetTier                platform:write      platform  -         -         -         -

    CreateClient           clients:write       all       all       -         -         -   personal
    ListClients            clients:read        all       all       -         all       -
    RotateClientSecret     clients:write       all       all       -         -         -   personal
    RevokeClient           clients:write       all       all       -         -         -

    ListSigningKeys        platform:write      platform  -         -         -         -
    RotateSigningKeys      platform:write      platform  -         -         -         -   personal
"""
OF_ALL_ORGANIZATIONS = {"GetPriceTable"}
"""What concerns the platform, and members of every organisation may do."""
ROWS = [line.split() for line in ACTIONS.splitlines()[2:] if line.strip()]
CELLS = {
    (row[0], role): REACHES[reach]
    for row in ROWS
    for role, reach in zip(COLUMNS, row[2:7], strict=True)
}
SCOPE_OF = {row[0]: row[1] for row in ROWS}
PERSONAL = {row[0] for row in ROWS if row[7:] == ["personal"]}

SCOPES = """
    scope               owner  admin  member  auditor  service

    llm:invoke          yes    yes    yes     -        yes
    llm:trace           yes    yes    -       -        -
    models:read         yes    yes    yes     yes      yes
    keys:read           yes    yes    yes     yes      -
    keys:write          yes    yes    yes     -        -
    account:read        yes    yes    yes     yes      -
    account:write       yes    yes    yes     yes      -
    organization:read   yes    yes    yes     yes      -
    organization:write  yes    yes    -       -        -
    limits:read         yes    yes    yes     yes      -
    limits:write        yes    yes    -       -        -
    clients:read        yes    yes    -       yes      -
    clients:write       yes    yes    -       -        -
    platform:write      yes    -      -       -        -
"""
SCOPE_CELLS = {
    (row[0], role): cell == "yes"
    for row in (line.split() for line in SCOPES.splitlines()[2:] if line.strip())
    for role, cell in zip(COLUMNS, row[1:], strict=True)
}
GRANTS = {
    Role.OWNER: {"owner", "admin", "member", "auditor", "service"},
    Role.ADMIN: {"admin", "member", "auditor", "service"},
    Role.MEMBER: set(),
    Role.AUDITOR: set(),
    Role.SERVICE: set(),
}


def _principal(role: Role, *, in_platform: bool = True) -> Principal:
    member = Member("user", "organisation", role, 1, in_platform=in_platform)
    kind = CredentialKind.ACCESS_TOKEN
    return Principal("credential", kind, member, frozenset(Scope), (), (), session_id="session")


OTHER_CREDENTIALS: dict[str, dict[str, Any]] = {
    "an API key": {"credential_kind": CredentialKind.API_KEY, "session_id": ""},
    "a signature": {"credential_kind": CredentialKind.SIGNATURE, "session_id": ""},
    "another application's token": {"client_id": "third-party"},
}


def _expect_reach(principal: Principal, action: Action, expected: Reach | None) -> None:
    if expected is not None:
        assert authorize(principal, action) is expected
        return
    with pytest.raises(HeadraceError) as caught:
        authorize(principal, action)
    assert caught.value.reason is Reason.PERMISSION_DENIED


def test_the_tables_here_are_complete() -> None:
    assert set(COLUMNS) == set(GRANTS) == set(Role)
    assert [row[0] for row in ROWS] == [action.value for action in Action]
    assert set(CELLS) == {(action.value, role) for action in Action for role in Role}
    assert {len(row) for row in ROWS} == {7, 8}
    assert set(RULES) == set(Action)
    assert set(SCOPE_CELLS) == {(scope.value, role) for scope in Scope for role in Role}


@pytest.mark.parametrize("in_platform", [True, False], ids=["platform", "elsewhere"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_every_cell_of_role_and_action(role: Role, action: Action, in_platform: bool) -> None:
    expected = CELLS[action, role]
    if expected is Reach.PLATFORM and not in_platform and action not in OF_ALL_ORGANIZATIONS:
        expected = None
    _expect_reach(_principal(role, in_platform=in_platform), action, expected)


@pytest.mark.parametrize("credential", OTHER_CREDENTIALS)
@pytest.mark.parametrize("action", Action)
def test_what_is_personal_is_only_for_people_who_logged_in_here(
    action: Action, credential: str
) -> None:
    for role in Role:
        principal = replace(_principal(role), **OTHER_CREDENTIALS[credential])
        _expect_reach(principal, action, None if action in PERSONAL else CELLS[action, role])


@pytest.mark.parametrize("action", Action)
def test_the_role_alone_is_not_enough(action: Action) -> None:
    owner, scope = _principal(Role.OWNER), Scope(SCOPE_OF[action])
    _expect_reach(replace(owner, scopes=frozenset(Scope) - {scope}), action, None)
    _expect_reach(replace(owner, scopes=frozenset({scope})), action, CELLS[action, Role.OWNER])


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_every_cell_of_role_and_scope(role: Role, scope: Scope) -> None:
    assert (scope in SCOPES_OF_ROLE[role]) is SCOPE_CELLS[scope, role]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_whoever_may_do_something_can_get_the_scope_for_it(role: Role, action: Action) -> None:
    if CELLS[action, role] is not None:
        assert SCOPE_OF[action] in SCOPES_OF_ROLE[role]


@pytest.mark.parametrize("granted", Role)
@pytest.mark.parametrize("granter", Role)
def test_every_cell_of_role_and_role_that_it_may_grant(granter: Role, granted: Role) -> None:
    if granted in GRANTS[granter]:
        check_grant(_principal(granter), granted)
        return
    with pytest.raises(HeadraceError) as caught:
        check_grant(_principal(granter), granted)
    assert caught.value.reason is Reason.PERMISSION_DENIED


def test_nobody_can_grant_more_than_there_is_in_the_own_role() -> None:
    for granter, roles in GRANTS.items():
        for role in roles:
            assert SCOPES_OF_ROLE[Role(role)] <= SCOPES_OF_ROLE[granter]


def test_a_refusal_says_what_was_refused_and_nothing_of_why() -> None:
    with pytest.raises(HeadraceError) as missing:
        authorize(_principal(Role.MEMBER), Action.CREATE_TEAM)
    with pytest.raises(HeadraceError) as outside:
        authorize(_principal(Role.OWNER, in_platform=False), Action.SET_PRICE_TABLE)
    assert missing.value.message == "This credential may not create a team."
    assert outside.value.message == "This credential may not set a price table."


@pytest.mark.parametrize("credential", OTHER_CREDENTIALS)
def test_for_what_is_personal_the_way_is_told_and_not_only_that_it_is_barred(
    credential: str,
) -> None:
    weak = replace(
        _principal(Role.MEMBER), scopes=DEFAULT_KEY_SCOPES, **OTHER_CREDENTIALS[credential]
    )
    with pytest.raises(HeadraceError) as caught:
        authorize(weak, Action.LIST_SESSIONS)
    assert caught.value.message.startswith("To list sessions, log in and use that access token")


@pytest.mark.parametrize("action", Action)
def test_no_action_is_told_by_the_name_of_a_call(action: Action) -> None:
    words = action.in_words.split(" ")
    assert len(words) > 1
    assert all(word.islower() or word == "API" for word in words)


def test_actions_read_as_words() -> None:
    told = {
        Action.LIST_SESSIONS: "list sessions",
        Action.CREATE_API_KEY: "create an API key",
        Action.INVITE_USER: "invite a user",
        Action.ACCEPT_INVITATION: "accept an invitation",
    }
    assert {action: action.in_words for action in told} == told


def test_a_shrunk_role_shrinks_what_was_granted() -> None:
    assert effective_scopes(frozenset(Scope), Role.AUDITOR) == SCOPES_OF_ROLE[Role.AUDITOR]
    assert effective_scopes(frozenset({Scope.LLM_INVOKE}), Role.AUDITOR) == frozenset()
    assert effective_scopes(frozenset({Scope.LLM_INVOKE}), Role.OWNER) == {Scope.LLM_INVOKE}


def test_keys_by_default_call_models_and_manage_nothing() -> None:
    assert {Scope.LLM_INVOKE, Scope.MODELS_READ} == DEFAULT_KEY_SCOPES
