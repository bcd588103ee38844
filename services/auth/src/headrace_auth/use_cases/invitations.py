"""Taking an invitation: the offer is checked again, becomes a membership, and is used up."""

from dataclasses import replace

from headrace_auth.domain.directory import Invitation, Membership, User
from headrace_auth.domain.refusals import already_exists, token_invalid
from headrace_auth.domain.rights import GRANTABLE_ROLES
from headrace_auth.use_cases.acts import Act


async def find_open(act: Act, token_sha256: bytes, param: str = "token") -> Invitation:
    """The invitation, locked, if it may be taken now; raises INVALID_FIELD (`param`).

    Whoever offered the role must still be able to: a right that was lost cannot be handed on.
    """
    found = await act.of(Invitation).find(token_sha256=token_sha256)
    invitation = await act.of(Invitation).get(found[0].invitation_id, lock=True) if found else None
    if invitation is None or act.now >= invitation.expires_at:
        raise token_invalid(param)
    if invitation.accepted_at is not None or invitation.revoked_at is not None:
        raise token_invalid(param)
    inviter = await act.of(Membership).get(invitation.created_by, invitation.organization_id)
    if inviter is None or invitation.role not in GRANTABLE_ROLES.get(inviter.role, frozenset()):
        raise token_invalid(param)
    return invitation


async def accept(act: Act, token_sha256: bytes, user: User, param: str = "token") -> Invitation:
    """Make the user a member; raises INVALID_FIELD (`param`), or ALREADY_EXISTS if it is one."""
    invitation = await find_open(act, token_sha256, param)
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
    await act.add(membership, **about)
    accepted = replace(invitation, accepted_at=act.now)
    await act.change(invitation, accepted, "accept", **about)
    return accepted
