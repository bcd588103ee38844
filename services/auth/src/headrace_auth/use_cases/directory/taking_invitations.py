"""Taking an invitation: the offer is checked again, becomes a membership, and is used up.

`OwnInvitations` is for who has an account; registering and logins through identity providers take
them by `find_open` and `accept`.
"""

from dataclasses import replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Membership, Organization, User
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import already_exists, not_found, permission_denied
from headrace_auth.domain.registration import invitation_digest
from headrace_auth.domain.rights import Action, authorize, may_grant
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory_lock import lock_directory
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_auth.use_cases.renewals import unused_version
from headrace_common.errors import credential_invalid


class OwnInvitations:
    """Acts for a person who has logged in."""

    def __init__(self, acts: Acts, reauthentication: Reauthentication) -> None:
        self._acts = acts
        self._reauthentication = reauthentication

    async def accept(
        self, caller: Caller, token_text: str, *, password: str, code: str
    ) -> Membership:
        """What came of it; raises RESOURCE_NOT_FOUND, PERMISSION_DENIED, ALREADY_EXISTS to members.

        Who has stolen a token must not join its owner to an organisation of the thief's: raises
        also what `Reauthentication.confirm` raises.
        """
        authorize(caller.identified(), Action.ACCEPT_INVITATION)
        digest = invitation_digest(token_text)
        async with self._acts.begin(caller) as act:
            # Before the proof: it may use up a code.
            await find_open_for(act, digest, await _user(act))
        await self._reauthentication.confirm(caller, password, code)
        async with self._acts.begin(caller) as act:
            return await accept(act, digest, await _user(act))


async def find_open(act: Act, token_sha256: bytes, email: str) -> Invitation:
    """The invitation, locked, if this address may take it now; nobody else changes members then.

    Raises RESOURCE_NOT_FOUND for a token that is unknown, taken, taken back, too old, or from
    somebody who may not give that role any more; PERMISSION_DENIED for another address.
    """
    found = await act.of(Invitation).find(token_sha256=token_sha256)
    if not found:
        raise not_found(Invitation.KIND.name)
    await lock_directory(act, found[0].organization_id)
    invitation = await act.of(Invitation).get(found[0].invitation_id, lock=True)
    if invitation is None or not invitation.is_open(act.now):
        raise not_found(Invitation.KIND.name)
    if not await _is_still_meant(act, invitation):
        raise not_found(Invitation.KIND.name)
    if email != invitation.email:
        raise permission_denied("This invitation is for another e-mail address.")
    return invitation


async def find_open_for(act: Act, token_sha256: bytes, user: User) -> Invitation:
    """The same for a user; raises as `find_open`, and ALREADY_EXISTS for a member."""
    proven = user.email if user.email_verified_at is not None else None
    invitation = await find_open(act, token_sha256, proven or "")
    if await act.of(Membership).get(user.user_id, invitation.organization_id) is not None:
        raise already_exists(Membership.KIND.name, "token")
    return invitation


async def accept(act: Act, token_sha256: bytes, user: User) -> Membership:
    """Make the user a member, in its own name; raises as `find_open_for`.

    `user` is kept already and has proven its address: whoever registers with the token has done so
    by that, so pass the user with `email_verified_at` set.
    """
    invitation = await find_open_for(act, token_sha256, user)
    user_id, organization_id = user.user_id, invitation.organization_id
    membership = Membership(
        user_id=user_id,
        organization_id=organization_id,
        role=invitation.role,
        created_at=act.now,
        team_id=invitation.team_id,
        version=await unused_version(act, user_id, organization_id),
    )
    about = {"user_id": user_id, "organization_id": organization_id}
    await act.change(invitation, replace(invitation, accepted_at=act.now), "accept", **about)
    await act.add(membership, **about)
    return membership


async def _is_still_meant(act: Act, invitation: Invitation) -> bool:
    """Whether who made it could still make it: what one grants, one must have."""
    inviter = await act.of(User).get(invitation.created_by)
    if inviter is None or inviter.disabled_at is not None:
        return False
    for joined in await act.of(Membership).find(user_id=inviter.user_id):
        if joined.organization_id == invitation.organization_id:
            if may_grant(joined.role, invitation.role):
                return True
        elif joined.role is Role.OWNER:
            organization = await act.of(Organization).get(joined.organization_id)
            if organization is not None and organization.platform:
                return True
    return False


async def _user(act: Act) -> User:
    """The caller's user, locked."""
    user = await act.of(User).get(act.caller.identified().member.user_id, lock=True)
    if user is None:
        raise credential_invalid()
    return user
