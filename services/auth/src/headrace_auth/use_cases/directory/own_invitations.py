"""Joining another organisation with an account that one has already."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.registration import invitation_digest
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory import invitations
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
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
            await invitations.find_open_for(act, digest, await _user(act))
        await self._reauthentication.confirm(caller, password, code)
        async with self._acts.begin(caller) as act:
            return await invitations.accept(act, digest, await _user(act))


async def _user(act: Act) -> User:
    """The caller's user, locked."""
    user = await act.of(User).get(act.caller.identified().member.user_id, lock=True)
    if user is None:
        raise credential_invalid()
    return user
