"""Joining another organisation with an account that one has already."""

from headrace_auth.domain import one_time_tokens
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, User
from headrace_auth.domain.one_time_tokens import TokenPrefix
from headrace_auth.domain.refusals import credential_invalid, token_invalid
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases import invitations
from headrace_auth.use_cases.acts import Acts


class OwnInvitations:
    """Acts for a person who has logged in."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def accept(self, caller: Caller, token_text: str) -> Invitation:
        """Join; raises INVALID_FIELD (`token`), or ALREADY_EXISTS for a member."""
        principal = caller.identified()
        authorize(principal, Action.ACCEPT_INVITATION)
        digest = one_time_tokens.parse(TokenPrefix.INVITATION, token_text)
        if digest is None:
            raise token_invalid()
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(principal.member.user_id, lock=True)
            if user is None:
                raise credential_invalid()
            return await invitations.accept(act, digest, user)
