"""Inviting people, and taking invitations back."""

from dataclasses import dataclass, replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Organization, UserKind
from headrace_auth.domain.directory_fields import check_mail_address, check_role
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal, Role
from headrace_auth.domain.refusals import invalid_field, not_found
from headrace_auth.domain.rights import Action, allows, authorize, check_gift, check_grant
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.directory.sending_invitations import Inviter, Offer
from headrace_auth.use_cases.directory.teams import find_team
from headrace_auth.use_cases.directory_lock import lock_directory_in_role
from headrace_auth.use_cases.pages import Page, page_of


@dataclass(frozen=True, slots=True)
class InvitationRequest:
    """Whom somebody wants to invite, and as what; empty texts: no team, the own organisation."""

    email: str
    role: Role
    team_id: str = ""
    organization_id: str = ""


class Invitations:
    """Acts for a principal in its organisation; the platform's owners invite owners anywhere."""

    def __init__(self, acts: Acts, inviter: Inviter) -> None:
        self._acts = acts
        self._inviter = inviter

    async def invite(self, caller: Caller, request: InvitationRequest) -> Invitation:
        """Raises PERMISSION_DENIED, INVALID_FIELD, RESOURCE_NOT_FOUND or ALREADY_EXISTS."""
        principal = caller.identified()
        authorize(principal, Action.INVITE_USER)
        organization_id = _place(principal, request)
        check_gift(principal, request.role)
        check_role(UserKind.PERSON, request.role)
        email = check_mail_address("email", request.email)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, organization_id)
            organization = await act.of(Organization).get(organization_id)
            if organization is None:
                raise not_found(Organization.KIND.name)
            if request.team_id:
                await find_team(act, organization_id, request.team_id)
            offer = Offer(organization, email, request.role, request.team_id or None)
            return await self._inviter.offer(act, offer)

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[Invitation]:
        """The organisation's, newest first, whatever became of them; raises PERMISSION_DENIED."""
        principal = caller.identified()
        authorize(principal, Action.LIST_INVITATIONS)
        here = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            return await page_of(act.of(Invitation), after, size, organization_id=here)

    async def revoke(self, caller: Caller, invitation_id: str) -> Invitation:
        """The organisation's; by the platform's owners any owner's, as they may make such.

        Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, or INVALID_FIELD if it was accepted.
        """
        principal = caller.identified()
        authorize(principal, Action.REVOKE_INVITATION)
        async with self._acts.begin(caller) as act:
            invitation = await act.of(Invitation).get(invitation_id, lock=True)
            if invitation is None or not _is_within(principal, invitation):
                raise not_found(Invitation.KIND.name)
            check_grant(principal, invitation.role)
            if invitation.accepted_at is not None:
                raise invalid_field("invitation_id", "it was accepted; remove the user instead")
            if invitation.revoked_at is None:
                revoked = replace(invitation, revoked_at=act.now)
                await act.change(invitation, revoked, "revoke")
                invitation = revoked
        return invitation


def _is_within(principal: Principal, invitation: Invitation) -> bool:
    if invitation.organization_id == principal.member.organization_id:
        return True
    return invitation.role is Role.OWNER and allows(principal, Action.CREATE_ORGANIZATION)


def _place(principal: Principal, request: InvitationRequest) -> str:
    """Where to: the own organisation, or any if the platform's owners invite an owner."""
    here = principal.member.organization_id
    if request.organization_id in ("", here):
        return here
    if not allows(principal, Action.CREATE_ORGANIZATION):
        raise not_found(Organization.KIND.name)
    if request.role is not Role.OWNER or request.team_id:
        raise invalid_field("role", "into another organization only owners can be invited")
    return request.organization_id
