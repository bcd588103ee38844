"""Taking an invitation: the offer is checked again, becomes a membership, and is used up."""

from dataclasses import replace

from headrace_auth.domain.directory import Invitation, Membership, User
from headrace_auth.domain.refusals import already_exists, not_found, permission_denied
from headrace_auth.domain.rights import GRANTABLE_ROLES
from headrace_auth.use_cases.acts import Act


async def find_open(act: Act, token_sha256: bytes, email: str) -> Invitation:
    """The invitation, locked, if this address may take it now.

    Raises RESOURCE_NOT_FOUND for a token that is unknown, taken, taken back, too old, or from
    somebody who may not give that role any more; PERMISSION_DENIED for another address.
    """
    found = await act.of(Invitation).find(token_sha256=token_sha256)
    invitation = await act.of(Invitation).get(found[0].invitation_id, lock=True) if found else None
    if invitation is None or act.now >= invitation.expires_at:
        raise not_found(Invitation.KIND.name)
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        raise not_found(Invitation.KIND.name)
    inviter = await act.of(Membership).get(invitation.created_by, invitation.organization_id)
    if inviter is None or invitation.role not in GRANTABLE_ROLES.get(inviter.role, frozenset()):
        raise not_found(Invitation.KIND.name)
    if email != invitation.email:
        raise permission_denied("This invitation is for another e-mail address.")
    return invitation


async def accept(act: Act, token_sha256: bytes, user: User) -> Membership:
    """Make the user a member; raises as `find_open`, and ALREADY_EXISTS if it is one."""
    invitation = await find_open(act, token_sha256, user.email or "")
    about = {"user_id": user.user_id, "organization_id": invitation.organization_id}
    if await act.of(Membership).get(user.user_id, invitation.organization_id) is not None:
        raise already_exists(Membership.KIND.name)
    membership = Membership(
        user_id=user.user_id,
        organization_id=invitation.organization_id,
        role=invitation.role,
        created_at=act.now,
        team_id=invitation.team_id,
    )
    await act.change(invitation, replace(invitation, accepted_at=act.now), "accept", **about)
    await act.add(membership, **about)
    return membership
