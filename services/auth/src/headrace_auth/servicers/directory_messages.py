"""From records of the directory to DirectoryService's messages."""

from headrace.auth.v1 import auth_pb2, directory_pb2
from headrace_auth.domain.directory import Invitation, Organization, Team
from headrace_auth.domain.role_table import Permission, RoleRights
from headrace_auth.servicers.messages import timestamp
from headrace_auth.use_cases.directory.members import UserView
from headrace_common.proto_enums import to_proto


def organization_message(organization: Organization) -> directory_pb2.Organization:
    """Without its version, which is auth's own affair."""
    return directory_pb2.Organization(
        organization_id=organization.organization_id,
        name=organization.name,
        created_at=timestamp(organization.created_at),
        platform=organization.platform,
        tier=to_proto(auth_pb2.Tier, organization.tier),
    )


def team_message(team: Team) -> directory_pb2.Team:
    """As its organisation sees it."""
    return directory_pb2.Team(
        team_id=team.team_id, name=team.name, created_at=timestamp(team.created_at)
    )


def user_message(view: UserView) -> directory_pb2.User:
    """Without what concerns its credentials."""
    user, membership = view.user, view.membership
    return directory_pb2.User(
        user_id=user.user_id,
        email=user.email or "",
        name=user.name,
        kind=to_proto(directory_pb2.UserKind, user.kind),
        role=to_proto(auth_pb2.Role, membership.role) if membership else None,
        team_id=membership.team_id if membership else None,
        email_verified_at=timestamp(user.email_verified_at),
        disabled_at=timestamp(user.disabled_at),
        created_at=timestamp(user.created_at),
        joined_at=timestamp(membership.created_at if membership else None),
    )


def invitation_message(invitation: Invitation) -> directory_pb2.Invitation:
    """Without its token, which is in the mail only."""
    return directory_pb2.Invitation(
        invitation_id=invitation.invitation_id,
        organization_id=invitation.organization_id,
        email=invitation.email,
        role=to_proto(auth_pb2.Role, invitation.role),
        team_id=invitation.team_id,
        created_by=invitation.created_by,
        created_at=timestamp(invitation.created_at),
        expires_at=timestamp(invitation.expires_at),
        accepted_at=timestamp(invitation.accepted_at),
        revoked_at=timestamp(invitation.revoked_at),
    )


def role_message(rights: RoleRights) -> directory_pb2.RoleRights:
    """A column of the table."""
    return directory_pb2.RoleRights(
        role=to_proto(auth_pb2.Role, rights.role),
        scopes=rights.scopes,
        grantable_roles=[to_proto(auth_pb2.Role, role) for role in rights.grantable_roles],
        permissions=[_permission_message(each) for each in rights.permissions],
    )


def _permission_message(permission: Permission) -> directory_pb2.Permission:
    return directory_pb2.Permission(
        action=permission.action,
        scope=permission.scope,
        reach=to_proto(directory_pb2.Reach, permission.reach),
        personal=permission.personal,
    )
