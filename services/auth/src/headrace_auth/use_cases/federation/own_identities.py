"""Identities at providers: a person who has logged in links them, sees them, and unlinks them."""

from collections.abc import Collection

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import LinkedIdentity, User
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.refusals import not_found, permission_denied
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.federation.federated_accounts import FederatedAccounts, alone_with
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_auth.use_cases.outgoing_mail import OutgoingMail


class OwnIdentities:
    """What people do with the identities of their own accounts."""

    def __init__(
        self,
        acts: Acts,
        accounts: FederatedAccounts,
        outgoing_mail: OutgoingMail,
        reauthentication: Reauthentication,
        providers: Collection[str],
    ) -> None:
        """`providers` are the names of those that people can log in through."""
        self._acts = acts
        self._accounts = accounts
        self._outgoing_mail = outgoing_mail
        self._reauthentication = reauthentication
        self._providers = providers

    async def list(self, caller: Caller) -> list[LinkedIdentity]:
        """Those that log in as the caller, the oldest first; raises PERMISSION_DENIED."""
        principal = caller.identified()
        authorize(principal, Action.LIST_IDENTITIES)
        async with self._acts.begin(caller) as act:
            found = await act.of(LinkedIdentity).find(user_id=principal.member.user_id)
        return sorted(found, key=lambda each: each.created_at)

    async def unlink(
        self, caller: Caller, provider: str, subject: str, *, password: str, code: str
    ) -> None:
        """Forget an identity; raises RESOURCE_NOT_FOUND, PERMISSION_DENIED for the last way in.

        Who has stolen a token must not lock its owner out with it: raises also what
        `Reauthentication.confirm` raises.
        """
        authorize(caller.identified(), Action.UNLINK_IDENTITY)
        async with self._acts.begin(caller) as act:
            # Before the proof: it may use up a code.
            await self._unlinkable(act, provider, subject)
        await self._reauthentication.confirm(caller, password, code)
        async with self._acts.begin(caller) as act:
            user, identity = await self._unlinkable(act, provider, subject)
            await act.remove(identity)
            self._outgoing_mail.tell(
                act, user, lambda address: mails.login_method_unlinked(address, provider)
            )

    async def refusal(
        self, act: Act, identity: ExternalIdentity, session_id: str
    ) -> LoginRefusal | None:
        """Why the identity cannot be linked in that session; None if it can, until the act ends."""
        await alone_with(act, identity)
        session, user = await _person(act, session_id)
        if session is None or user is None:
            return LoginRefusal.SESSION_ENDED
        known = await act.of(LinkedIdentity).get(identity.provider, identity.subject)
        if known is not None and known.user_id != user.user_id:
            return LoginRefusal.IDENTITY_TAKEN
        return None

    async def link(self, act: Act, identity: ExternalIdentity, session_id: str) -> LinkedIdentity:
        """Link it, unless it is linked already; ask `refusal` before, in the same act."""
        session, user = await _person(act, session_id)
        if session is None or user is None:
            raise LookupError("the session has ended")
        known = await act.of(LinkedIdentity).get(identity.provider, identity.subject)
        if known is not None and known.user_id == user.user_id:
            return known
        return await self._accounts.link(
            act, identity, user, organization_id=session.organization_id
        )

    async def _unlinkable(
        self, act: Act, provider: str, subject: str
    ) -> tuple[User, LinkedIdentity]:
        """The caller, locked, and its identity: of two that go at once, one must be the last."""
        user = await act.of(User).get(act.caller.identified().member.user_id, lock=True)
        identity = await act.of(LinkedIdentity).get(provider, subject)
        if user is None or identity is None or identity.user_id != user.user_id:
            raise not_found(LinkedIdentity.KIND.name)
        await self._check_other_way_in(act, user, identity)
        return user, identity

    async def _check_other_way_in(self, act: Act, user: User, identity: LinkedIdentity) -> None:
        if user.password_hash is not None:
            return
        linked = await act.of(LinkedIdentity).find(user_id=user.user_id)
        if not any(each != identity and each.provider in self._providers for each in linked):
            raise permission_denied(
                "This is the only way into your account: set a password or link another identity."
            )


async def _person(act: Act, session_id: str) -> tuple[Session | None, User | None]:
    """The session and its user if both still hold, as for an access token."""
    session = await act.of(Session).get(session_id)
    user = await act.of(User).get(session.user_id, lock=True) if session else None
    if session is None or user is None or user.disabled_at is not None:
        return None, None
    if session.ended_at is not None or act.now >= session.expires_at:
        return None, None
    return (session, user) if session.token_version == user.token_version else (None, None)
