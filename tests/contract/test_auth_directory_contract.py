"""DirectoryService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import pytest

from headrace.auth.v1 import auth_pb2, directory_pb2, directory_pb2_grpc
from headrace_auth.domain.directory import UserKind
from headrace_auth.domain.rights import Action, Reach
from headrace_auth.testing.administration_service import AdministrationService, serving_auth
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    HOMELESS,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
)
from headrace_auth.testing.refusals import refusal, refused
from headrace_common.errors import Reason

pb: TypeAlias = Any
METHODS = [
    method.name for method in directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"].methods
]


@pytest.fixture
async def auth() -> AsyncIterator[AdministrationService]:
    async with serving_auth(directory_pb2_grpc.DirectoryServiceStub) as service:
        yield service


async def test_an_organisation_from_making_to_its_first_owner(auth: AdministrationService) -> None:
    request = directory_pb2.CreateOrganizationRequest(
        name="initech", owner_email="boss@initech.test"
    )
    made = await auth.call(OWNER, "CreateOrganization", request)
    assert (made.organization.name, made.organization.platform) == ("initech", False)
    assert made.invitation.organization_id == made.organization.organization_id
    assert (made.invitation.email, made.invitation.role) == (
        "boss@initech.test",
        auth_pb2.ROLE_OWNER,
    )
    assert not made.invitation.HasField("accepted_at")
    assert not made.invitation.HasField("team_id")
    [mail] = auth.running.mailer.sent
    assert mail.to == "boss@initech.test"
    # Without an address nobody is invited.
    request = directory_pb2.CreateOrganizationRequest(name="hooli")
    made = await auth.call(OWNER, "CreateOrganization", request)
    assert not made.HasField("invitation")
    listed = await auth.call(
        OWNER, "ListOrganizations", directory_pb2.ListOrganizationsRequest(all=True)
    )
    assert {each.name for each in listed.organizations} == {"acme", "globex", "initech", "hooli"}
    own = await auth.call(OWNER, "ListOrganizations", directory_pb2.ListOrganizationsRequest())
    assert [(each.organization_id, each.platform) for each in own.organizations] == [(ACME, True)]


async def test_an_organisation_is_seen_and_renamed(auth: AdministrationService) -> None:
    request = directory_pb2.UpdateOrganizationRequest(organization_id=ACME, name="acme inc")
    renamed = await auth.call(OWNER, "UpdateOrganization", request)
    seen = await auth.call(
        MEMBER, "GetOrganization", directory_pb2.GetOrganizationRequest(organization_id=ACME)
    )
    assert seen.organization == renamed.organization
    assert seen.organization.name == "acme inc"


async def test_a_team_from_making_to_deleting(auth: AdministrationService) -> None:
    made = await auth.call(ADMIN, "CreateTeam", directory_pb2.CreateTeamRequest(name="research"))
    team_id = made.team.team_id
    request = directory_pb2.UpdateTeamRequest(team_id=team_id, name="science")
    renamed = await auth.call(ADMIN, "UpdateTeam", request)
    assert (renamed.team.team_id, renamed.team.name) == (team_id, "science")
    page = await auth.call(AUDITOR, "ListTeams", directory_pb2.ListTeamsRequest(page_size=1))
    rest = await auth.call(
        AUDITOR, "ListTeams", directory_pb2.ListTeamsRequest(page_token=page.next_page_token)
    )
    assert {each.team_id for each in (*page.teams, *rest.teams)} == {team_id, ACME_TEAM}
    assert rest.next_page_token == ""
    deleted = await auth.call(ADMIN, "DeleteTeam", directory_pb2.DeleteTeamRequest(team_id=team_id))
    assert deleted.team == renamed.team


async def test_a_member_is_seen_changed_logged_out_and_removed(auth: AdministrationService) -> None:
    seen = await auth.call(MEMBER, "GetUser", directory_pb2.GetUserRequest(user_id=MEMBER.user_id))
    user = seen.user
    assert (user.email, user.kind) == (MEMBER.email, directory_pb2.USER_KIND_PERSON)
    assert (user.role, user.team_id) == (auth_pb2.ROLE_MEMBER, ACME_TEAM)
    assert user.HasField("email_verified_at")
    assert user.HasField("joined_at")
    assert not user.HasField("disabled_at")
    request = directory_pb2.UpdateUserRequest(
        user_id=MEMBER.user_id, role=auth_pb2.ROLE_AUDITOR, team_id=""
    )
    changed = (await auth.call(ADMIN, "UpdateUser", request)).user
    assert (changed.role, changed.HasField("team_id")) == (auth_pb2.ROLE_AUDITOR, False)
    ending = directory_pb2.EndUserSessionsRequest(user_id=MEMBER.user_id)
    assert (await auth.call(ADMIN, "EndUserSessions", ending)).ended == 1
    refused_now = auth.call(MEMBER, "ListTeams", directory_pb2.ListTeamsRequest())
    assert await refused(refused_now) is Reason.CREDENTIAL_INVALID
    removed = await auth.call(
        ADMIN, "RemoveUser", directory_pb2.RemoveUserRequest(user_id=MEMBER.user_id)
    )
    assert removed.user == changed
    listed = await auth.call(AUDITOR, "ListUsers", directory_pb2.ListUsersRequest())
    assert {each.user_id for each in listed.users} == {
        each.user_id for each in (OWNER, ADMIN, AUDITOR, SERVICE)
    }


async def test_what_is_not_named_stays_as_it_is(auth: AdministrationService) -> None:
    request = directory_pb2.UpdateUserRequest(user_id=MEMBER.user_id)
    user = (await auth.call(OWNER, "UpdateUser", request)).user
    assert (user.role, user.team_id) == (auth_pb2.ROLE_MEMBER, ACME_TEAM)


async def test_a_user_is_barred_and_let_in(auth: AdministrationService) -> None:
    request = directory_pb2.DisableUserRequest(user_id=OUTSIDER.user_id)
    await auth.token(OUTSIDER)
    barred = (await auth.call(OWNER, "DisableUser", request)).user
    assert barred.HasField("disabled_at")
    assert not barred.HasField("role")
    assert not barred.HasField("joined_at")
    call = auth.call(OUTSIDER, "ListTeams", directory_pb2.ListTeamsRequest())
    assert await refused(call) is Reason.CREDENTIAL_INVALID
    enabling = directory_pb2.EnableUserRequest(user_id=OUTSIDER.user_id)
    assert not (await auth.call(OWNER, "EnableUser", enabling)).user.HasField("disabled_at")


async def test_a_service_account_is_a_user(auth: AdministrationService) -> None:
    request = directory_pb2.CreateServiceAccountRequest(name="nightly", team_id=ACME_TEAM)
    user = (await auth.call(ADMIN, "CreateServiceAccount", request)).user
    assert (user.name, user.email) == ("nightly", "")
    assert (user.kind, user.role) == (directory_pb2.USER_KIND_SERVICE, auth_pb2.ROLE_SERVICE)
    assert not user.HasField("email_verified_at")


async def test_an_invitation_from_sending_to_revoking(auth: AdministrationService) -> None:
    request = directory_pb2.InviteUserRequest(
        email=HOMELESS.email, role=auth_pb2.ROLE_MEMBER, team_id=ACME_TEAM
    )
    made = (await auth.call(ADMIN, "InviteUser", request)).invitation
    assert (made.email, made.role, made.team_id) == (
        HOMELESS.email,
        auth_pb2.ROLE_MEMBER,
        ACME_TEAM,
    )
    assert made.created_by == ADMIN.user_id
    [mail] = auth.running.mailer.sent
    assert "hri_" in mail.text
    assert "hri_" not in str(made)
    listed = await auth.call(AUDITOR, "ListInvitations", directory_pb2.ListInvitationsRequest())
    assert list(listed.invitations) == [made]
    revoking = directory_pb2.RevokeInvitationRequest(invitation_id=made.invitation_id)
    revoked = (await auth.call(OWNER, "RevokeInvitation", revoking)).invitation
    assert revoked.HasField("revoked_at")


async def test_roles_are_listed_as_they_are_in_force(auth: AdministrationService) -> None:
    listed = await auth.call(MEMBER, "ListRoles", directory_pb2.ListRolesRequest())
    roles = {each.role: each for each in listed.roles}
    assert len(roles) == 5
    service = roles[auth_pb2.ROLE_SERVICE]
    assert (list(service.scopes), list(service.permissions)) == (["llm:invoke", "models:read"], [])
    admin = roles[auth_pb2.ROLE_ADMIN]
    assert auth_pb2.ROLE_OWNER not in admin.grantable_roles
    invite = [each for each in admin.permissions if each.action == "InviteUser"]
    assert [(each.scope, each.reach) for each in invite] == [
        ("organization:write", directory_pb2.REACH_ORGANIZATION)
    ]


@pytest.mark.parametrize("number", [0, 6, 99])
async def test_a_role_that_is_none_is_refused(auth: AdministrationService, number: Any) -> None:
    invite = directory_pb2.InviteUserRequest(email="a@b.test", role=number)
    update = directory_pb2.UpdateUserRequest(user_id=MEMBER.user_id, role=number)
    for name, request in (("InviteUser", invite), ("UpdateUser", update)):
        error = await refusal(auth.call(OWNER, name, request))
        assert (error.reason, error.param) == (Reason.INVALID_FIELD, "role")


@pytest.mark.parametrize("name", ["ListTeams", "ListUsers", "ListInvitations", "ListOrganizations"])
async def test_bad_pages_are_refused(auth: AdministrationService, name: str) -> None:
    request_type = getattr(directory_pb2, f"{name}Request")
    extra = {"all": True} if name == "ListOrganizations" else {}
    for fields, param in (
        ({"page_size": 101}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"page_token": "WzAsICJhIGIiXQ=="}, "page_token"),
    ):
        error = await refusal(auth.call(OWNER, name, request_type(**fields, **extra)))
        assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)


async def test_another_organisations_things_do_not_exist(auth: AdministrationService) -> None:
    requests: dict[str, dict[str, Any]] = {
        "GetOrganization": {"organization_id": ACME},
        "UpdateOrganization": {"organization_id": ACME, "name": "x"},
        "UpdateTeam": {"team_id": ACME_TEAM, "name": "x"},
        "DeleteTeam": {"team_id": ACME_TEAM},
        "GetUser": {"user_id": ADMIN.user_id},
        "UpdateUser": {"user_id": ADMIN.user_id, "role": auth_pb2.ROLE_MEMBER},
        "RemoveUser": {"user_id": ADMIN.user_id},
        "EndUserSessions": {"user_id": ADMIN.user_id},
        "CreateServiceAccount": {"name": "x", "team_id": ACME_TEAM},
        "InviteUser": {"email": "a@b.test", "role": auth_pb2.ROLE_MEMBER, "organization_id": ACME},
        "RevokeInvitation": {"invitation_id": ACME},
    }
    for name, fields in requests.items():
        request = getattr(directory_pb2, f"{name}Request")(**fields)
        assert await refused(auth.call(OUTSIDER, name, request)) is Reason.RESOURCE_NOT_FOUND, name
    for name in ("ListTeams", "ListInvitations"):
        answer = await auth.call(OUTSIDER, name, getattr(directory_pb2, f"{name}Request")())
        assert ACME not in str(answer)
        assert ACME_TEAM not in str(answer)
    users = (await auth.call(OUTSIDER, "ListUsers", directory_pb2.ListUsersRequest())).users
    assert {each.user_id for each in users} == {OUTSIDER.user_id, MEMBER.user_id}
    assert GLOBEX in str(
        await auth.call(OUTSIDER, "ListOrganizations", directory_pb2.ListOrganizationsRequest())
    )


@pytest.mark.parametrize("name", METHODS)
async def test_every_call_needs_a_credential(auth: AdministrationService, name: str) -> None:
    request = getattr(directory_pb2, f"{name}Request")()
    assert await refused(auth.call(None, name, request)) is Reason.CREDENTIAL_MISSING


@pytest.mark.parametrize("name", METHODS)
def test_every_call_is_in_the_table_of_rights(name: str) -> None:
    assert name in list(Action)


@pytest.mark.parametrize(
    ("domain", "proto", "prefix"),
    [(UserKind, directory_pb2.UserKind, "USER_KIND_"), (Reach, directory_pb2.Reach, "REACH_")],
)
def test_enumerations_have_the_same_members(domain: Any, proto: Any, prefix: str) -> None:
    names = {prefix + member.name for member in domain}
    assert names | {prefix + "UNSPECIFIED"} == set(proto.keys())
