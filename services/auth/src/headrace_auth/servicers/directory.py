"""DirectoryService over gRPC: organisations, teams, users, invitations and roles."""
# ruff: noqa: N802 - the proto's names

from typing import Any

from headrace.auth.v1 import auth_pb2, directory_pb2, directory_pb2_grpc
from headrace_auth.domain.principal import Role
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.domain.role_table import describe_roles
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.directory_messages import (
    invitation_message,
    organization_message,
    role_message,
    team_message,
    user_message,
)
from headrace_auth.servicers.enums import required_from_proto
from headrace_auth.servicers.pages import page_asked_for
from headrace_auth.use_cases.directory.manage_invitations import InvitationRequest, Invitations
from headrace_auth.use_cases.directory.managed_accounts import ManagedAccounts
from headrace_auth.use_cases.directory.members import MemberChange, Members
from headrace_auth.use_cases.directory.organizations import Organizations
from headrace_auth.use_cases.directory.teams import Teams
from headrace_common.grpc_server import Registration


class DirectoryServicer(directory_pb2_grpc.DirectoryServiceServicer):
    """The proto's DirectoryService."""

    def __init__(
        self,
        *,
        callers: Callers,
        organizations: Organizations,
        teams: Teams,
        members: Members,
        accounts: ManagedAccounts,
        invitations: Invitations,
    ) -> None:
        self._callers = callers
        self._organizations = organizations
        self._teams = teams
        self._members = members
        self._accounts = accounts
        self._invitations = invitations

    async def CreateOrganization(
        self, request: directory_pb2.CreateOrganizationRequest, context: Any
    ) -> directory_pb2.CreateOrganizationResponse:
        caller = await self._callers.identified(context)
        made = await self._organizations.create(caller, request.name, request.owner_email)
        invitation = invitation_message(made.invitation) if made.invitation else None
        return directory_pb2.CreateOrganizationResponse(
            organization=organization_message(made.organization), invitation=invitation
        )

    async def ListOrganizations(
        self, request: directory_pb2.ListOrganizationsRequest, context: Any
    ) -> directory_pb2.ListOrganizationsResponse:
        caller = await self._callers.identified(context)
        if not request.all:
            joined = await self._organizations.joined(caller)
            return directory_pb2.ListOrganizationsResponse(
                organizations=map(organization_message, joined)
            )
        page = await self._organizations.page(caller, *page_asked_for(request))
        return directory_pb2.ListOrganizationsResponse(
            organizations=map(organization_message, page.items),
            next_page_token=page.next_page_token,
        )

    async def GetOrganization(
        self, request: directory_pb2.GetOrganizationRequest, context: Any
    ) -> directory_pb2.GetOrganizationResponse:
        caller = await self._callers.identified(context)
        organization = await self._organizations.get(caller, request.organization_id)
        return directory_pb2.GetOrganizationResponse(
            organization=organization_message(organization)
        )

    async def UpdateOrganization(
        self, request: directory_pb2.UpdateOrganizationRequest, context: Any
    ) -> directory_pb2.UpdateOrganizationResponse:
        caller = await self._callers.identified(context)
        renamed = await self._organizations.rename(caller, request.organization_id, request.name)
        return directory_pb2.UpdateOrganizationResponse(organization=organization_message(renamed))

    async def CreateTeam(
        self, request: directory_pb2.CreateTeamRequest, context: Any
    ) -> directory_pb2.CreateTeamResponse:
        caller = await self._callers.identified(context)
        team = await self._teams.create(caller, request.name)
        return directory_pb2.CreateTeamResponse(team=team_message(team))

    async def ListTeams(
        self, request: directory_pb2.ListTeamsRequest, context: Any
    ) -> directory_pb2.ListTeamsResponse:
        caller = await self._callers.identified(context)
        page = await self._teams.page(caller, *page_asked_for(request))
        return directory_pb2.ListTeamsResponse(
            teams=map(team_message, page.items), next_page_token=page.next_page_token
        )

    async def UpdateTeam(
        self, request: directory_pb2.UpdateTeamRequest, context: Any
    ) -> directory_pb2.UpdateTeamResponse:
        caller = await self._callers.identified(context)
        team = await self._teams.rename(caller, request.team_id, request.name)
        return directory_pb2.UpdateTeamResponse(team=team_message(team))

    async def DeleteTeam(
        self, request: directory_pb2.DeleteTeamRequest, context: Any
    ) -> directory_pb2.DeleteTeamResponse:
        caller = await self._callers.identified(context)
        team = await self._teams.delete(caller, request.team_id)
        return directory_pb2.DeleteTeamResponse(team=team_message(team))

    async def ListUsers(
        self, request: directory_pb2.ListUsersRequest, context: Any
    ) -> directory_pb2.ListUsersResponse:
        caller = await self._callers.identified(context)
        page = await self._members.page(caller, *page_asked_for(request))
        return directory_pb2.ListUsersResponse(
            users=map(user_message, page.items), next_page_token=page.next_page_token
        )

    async def GetUser(
        self, request: directory_pb2.GetUserRequest, context: Any
    ) -> directory_pb2.GetUserResponse:
        caller = await self._callers.identified(context)
        user = await self._members.get(caller, request.user_id)
        return directory_pb2.GetUserResponse(user=user_message(user))

    async def UpdateUser(
        self, request: directory_pb2.UpdateUserRequest, context: Any
    ) -> directory_pb2.UpdateUserResponse:
        caller = await self._callers.identified(context)
        change = MemberChange(
            role=_role(request) if request.HasField("role") else None,
            team_id=request.team_id if request.HasField("team_id") else None,
        )
        user = await self._members.update(caller, request.user_id, change)
        return directory_pb2.UpdateUserResponse(user=user_message(user))

    async def RemoveUser(
        self, request: directory_pb2.RemoveUserRequest, context: Any
    ) -> directory_pb2.RemoveUserResponse:
        caller = await self._callers.identified(context)
        user = await self._members.remove(caller, request.user_id)
        return directory_pb2.RemoveUserResponse(user=user_message(user))

    async def EndUserSessions(
        self, request: directory_pb2.EndUserSessionsRequest, context: Any
    ) -> directory_pb2.EndUserSessionsResponse:
        caller = await self._callers.identified(context)
        ended = await self._members.end_sessions(caller, request.user_id)
        return directory_pb2.EndUserSessionsResponse(ended=ended)

    async def DisableUser(
        self, request: directory_pb2.DisableUserRequest, context: Any
    ) -> directory_pb2.DisableUserResponse:
        caller = await self._callers.identified(context)
        user = await self._accounts.disable(caller, request.user_id)
        return directory_pb2.DisableUserResponse(user=user_message(user))

    async def EnableUser(
        self, request: directory_pb2.EnableUserRequest, context: Any
    ) -> directory_pb2.EnableUserResponse:
        caller = await self._callers.identified(context)
        user = await self._accounts.enable(caller, request.user_id)
        return directory_pb2.EnableUserResponse(user=user_message(user))

    async def CreateServiceAccount(
        self, request: directory_pb2.CreateServiceAccountRequest, context: Any
    ) -> directory_pb2.CreateServiceAccountResponse:
        caller = await self._callers.identified(context)
        user = await self._accounts.create_service(caller, request.name, request.team_id)
        return directory_pb2.CreateServiceAccountResponse(user=user_message(user))

    async def InviteUser(
        self, request: directory_pb2.InviteUserRequest, context: Any
    ) -> directory_pb2.InviteUserResponse:
        caller = await self._callers.identified(context)
        wanted = InvitationRequest(
            request.email, _role(request), request.team_id, request.organization_id
        )
        invitation = await self._invitations.invite(caller, wanted)
        return directory_pb2.InviteUserResponse(invitation=invitation_message(invitation))

    async def ListInvitations(
        self, request: directory_pb2.ListInvitationsRequest, context: Any
    ) -> directory_pb2.ListInvitationsResponse:
        caller = await self._callers.identified(context)
        page = await self._invitations.page(caller, *page_asked_for(request))
        return directory_pb2.ListInvitationsResponse(
            invitations=map(invitation_message, page.items), next_page_token=page.next_page_token
        )

    async def RevokeInvitation(
        self, request: directory_pb2.RevokeInvitationRequest, context: Any
    ) -> directory_pb2.RevokeInvitationResponse:
        caller = await self._callers.identified(context)
        revoked = await self._invitations.revoke(caller, request.invitation_id)
        return directory_pb2.RevokeInvitationResponse(invitation=invitation_message(revoked))

    async def ListRoles(
        self, _request: directory_pb2.ListRolesRequest, context: Any
    ) -> directory_pb2.ListRolesResponse:
        caller = await self._callers.identified(context)
        authorize(caller.identified(), Action.LIST_ROLES)
        return directory_pb2.ListRolesResponse(roles=map(role_message, describe_roles()))

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.auth.v1.DirectoryService",
            directory_pb2_grpc.add_DirectoryServiceServicer_to_server,
            self,
        )


def _role(request: Any) -> Role:
    return required_from_proto(Role, auth_pb2.Role, request.role, "role")
