"""Joining another organisation with an account that one has already."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.registration import invitation_digest
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases import invitations
from headrace_auth.use_cases.acts import Acts
from headrace_common.errors import credential_invalid


class OwnInvitations:
    """Acts for a person who has logged in."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def accept(self, caller: Caller, token_text: str) -> Membership:
        """Join; raises RESOURCE_NOT_FOUND, PERMISSION_DENIED, or ALREADY_EXISTS for a member."""
        principal = caller.identified()
        authorize(principal, Action.ACCEPT_INVITATION)
        digest = invitation_digest(token_text)
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(principal.member.user_id, lock=True)
            if user is None:
                raise credential_invalid()
            return await invitations.accept(act, digest, user)
