"""`/api/v1/users`, `/service-accounts` and `/invitations`: who belongs to an organisation."""

from typing import Any

from pydantic import field_validator

from headrace_gateway.http.account_routes import AccountRoute, as_it_is, record, records
from headrace_gateway.http.accounts.fields import Email, Identifier, Name, OptionalIdentifier, Word
from headrace_gateway.http.accounts.paging import Page
from headrace_gateway.http.bodies import Body


class UserBody(Body):
    """`PATCH /api/v1/users/{user_id}`: what is absent stays; `team_id` null or empty is no team."""

    role: Word | None = None
    team_id: OptionalIdentifier | None = None

    @field_validator("team_id", mode="before")
    @classmethod
    def _null_is_no_team(cls, value: Any) -> Any:
        return "" if value is None else value  # not called for an absent field


class NewServiceAccountBody(Body):
    """`POST /api/v1/service-accounts`."""

    name: Name
    team_id: Identifier | None = None


class NewInvitationBody(Body):
    """`POST /api/v1/invitations`; another organization is for those who run this installation."""

    email: Email
    role: Word
    team_id: Identifier | None = None
    organization_id: Identifier | None = None


USERS = (
    AccountRoute(
        "GET",
        "/api/v1/users",
        "DirectoryService/ListUsers",
        "List the organization's users, the last who joined first",
        records("user"),
        query=Page,
    ),
    AccountRoute(
        "GET",
        "/api/v1/users/{user_id}",
        "DirectoryService/GetUser",
        "See a user of the organization",
        record("user"),
        resource="user",
    ),
    AccountRoute(
        "PATCH",
        "/api/v1/users/{user_id}",
        "DirectoryService/UpdateUser",
        "Change a user's role or team",
        record("user"),
        body=UserBody,
        resource="user",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/users/{user_id}",
        "DirectoryService/RemoveUser",
        "Remove a user from the organization, with its sessions and API keys there",
        record("user"),
        resource="user",
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/users/{user_id}/sessions",
        "DirectoryService/EndUserSessions",
        "Log a user out of the organization, everywhere",
        as_it_is,
        resource="user",
    ),
    AccountRoute(
        "POST",
        "/api/v1/users/{user_id}/disable",
        "DirectoryService/DisableUser",
        "Bar a user from all organizations",
        record("user"),
        resource="user",
    ),
    AccountRoute(
        "POST",
        "/api/v1/users/{user_id}/enable",
        "DirectoryService/EnableUser",
        "Let a barred user in again",
        record("user"),
        resource="user",
    ),
    AccountRoute(
        "POST",
        "/api/v1/service-accounts",
        "DirectoryService/CreateServiceAccount",
        "Make a user that is a program",
        record("user"),
        body=NewServiceAccountBody,
        status=201,
        resource="user",
    ),
)
INVITATIONS = (
    AccountRoute(
        "POST",
        "/api/v1/invitations",
        "DirectoryService/InviteUser",
        "Invite somebody by mail",
        record("invitation"),
        body=NewInvitationBody,
        status=201,
        resource="invitation",
    ),
    AccountRoute(
        "GET",
        "/api/v1/invitations",
        "DirectoryService/ListInvitations",
        "List the organization's invitations, newest first",
        records("invitation"),
        query=Page,
    ),
    AccountRoute(
        "DELETE",
        "/api/v1/invitations/{invitation_id}",
        "DirectoryService/RevokeInvitation",
        "Take an invitation back",
        record("invitation"),
        resource="invitation",
    ),
)
