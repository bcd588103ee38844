"""From a login code to a session or a linked identity: only who began the login can do this."""

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import LinkedIdentity, User
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.login_refusals import login_refused
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.domain.refusals import (
    login_code_invalid,
    second_factor_required,
    second_factor_wrong,
)
from headrace_auth.ports import LoginCodes
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.federation.federated_accounts import FederatedAccounts
from headrace_auth.use_cases.federation.federated_logins import tell_refusal
from headrace_auth.use_cases.federation.own_identities import OwnIdentities
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.second_factor import has_second_factor
from headrace_auth.use_cases.sessions.open_sessions import (
    LoggedIn,
    OpenSession,
    SessionOpener,
    home_of,
)
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason

SECOND_FACTOR_CODE = "second_factor_code"
MAY_TRY_AGAIN = frozenset({Reason.LOGIN_FAILED, Reason.LOGIN_THROTTLED})


class LoginCodeExchange:
    """Redeems login codes, each once, except for a lacking or wrong second factor."""

    def __init__(
        self,
        acts: Acts,
        codes: LoginCodes,
        accounts: FederatedAccounts,
        identities: OwnIdentities,
        second_factors: SecondFactors,
        throttle: LoginThrottle,
        opener: SessionOpener,
        clock: Clock,
    ) -> None:
        self._acts = acts
        self._codes = codes
        self._accounts = accounts
        self._identities = identities
        self._second_factors = second_factors
        self._throttle = throttle
        self._opener = opener
        self._clock = clock

    async def exchange(
        self,
        caller: Caller,
        code: str,
        code_verifier: str,
        *,
        organization_id: str = "",
        second_factor_code: str = "",
    ) -> LoggedIn | LinkedIdentity:
        """A session in that organisation, or in the oldest of the account; or what was linked.

        Raises LOGIN_FAILED (also for another front end's verifier, which burns the code),
        PERMISSION_DENIED and ALREADY_EXISTS (the account or identity has changed since the
        callback), INVALID_FIELD, DEPENDENCY_UNAVAILABLE; and SECOND_FACTOR_REQUIRED, LOGIN_FAILED
        (a wrong second factor) and LOGIN_THROTTLED, after which the code is good for a next try.
        """
        proven = await self._take(caller, code, code_verifier)
        if proven.link_session_id is not None:
            return await self._link(caller, proven.identity, proven.link_session_id)
        owner = await self._owner_of_second_factor(caller, proven.identity)
        if owner is None:
            opened = await self._open(caller, proven.identity, organization_id)
        elif not second_factor_code:
            await self._keep(code, proven)
            raise second_factor_required(SECOND_FACTOR_CODE)
        else:
            try:
                opened = await self._open_with_second_factor(
                    caller, proven.identity, organization_id, owner, second_factor_code
                )
            except HeadraceError as error:
                if error.reason in MAY_TRY_AGAIN:
                    await self._keep(code, proven)
                raise
        return await self._opener.tokens(opened)

    async def _take(self, caller: Caller, code: str, code_verifier: str) -> ProvenLogin:
        """What the code stands for; it is burnt, whoever shows it."""
        known = opaque_secrets.parse(TokenPrefix.LOGIN_CODE, code) is not None
        proven = await self._codes.take(code) if known else None
        if proven is None:
            raise login_code_invalid()
        if not proven.belongs_to(code_verifier):
            async with self._acts.begin(caller) as act:
                await tell_refusal(act, proven.identity, "wrong_verifier")
            raise login_code_invalid()
        return proven

    async def _keep(self, code: str, proven: ProvenLogin) -> None:
        now = self._clock.now()
        tried = proven.after_try(now)
        seconds = tried.seconds_left(now)
        if seconds > 0:
            await self._codes.put(code, tried, seconds)

    async def _link(
        self, caller: Caller, identity: ExternalIdentity, session_id: str
    ) -> LinkedIdentity:
        async with self._acts.begin(caller) as act:
            refusal = await self._identities.refusal(act, identity, session_id)
            if refusal is None:
                return await self._identities.link(act, identity, session_id)
            await tell_refusal(act, identity, refusal)
        # Outside of the act: what was told must stay although the call fails.
        raise login_refused(refusal)

    async def _owner_of_second_factor(
        self, caller: Caller, identity: ExternalIdentity
    ) -> User | None:
        """The known user whose login needs a second factor."""
        async with self._acts.begin(caller) as act:
            decision = await self._accounts.decide(act, identity)
            if decision.user_id is None or decision.refusal is not None:
                return None
            if not await has_second_factor(act, decision.user_id):
                return None
            return await act.of(User).get(decision.user_id)

    async def _open_with_second_factor(
        self,
        caller: Caller,
        identity: ExternalIdentity,
        organization_id: str,
        owner: User,
        second_factor_code: str,
    ) -> OpenSession:
        """Codes are guessed no faster here than behind a password: the throttle is the same."""
        email = owner.email or ""
        await self._throttle.begin(caller, email)
        try:
            return await self._open(caller, identity, organization_id, second_factor_code)
        except HeadraceError as error:
            if error.reason is Reason.LOGIN_FAILED:
                await self._throttle.failed(caller, email)
            raise

    async def _open(
        self,
        caller: Caller,
        identity: ExternalIdentity,
        organization_id: str,
        second_factor_code: str = "",
    ) -> OpenSession:
        """Decide again, now for good; raises LOGIN_FAILED for a wrong second factor."""
        async with self._acts.begin(caller) as act:
            decision = await self._accounts.decide(act, identity)
            if decision.refusal is None:
                user = await self._accounts.admit(act, identity, decision)
                await self._check_second_factor(act, user, second_factor_code)
                home = await home_of(act, user, organization_id)
                return await self._opener.open(act, user, home)
            await tell_refusal(act, identity, decision.refusal)
        raise login_refused(decision.refusal)

    async def _check_second_factor(self, act: Act, user: User, code: str) -> None:
        if not await has_second_factor(act, user.user_id):
            return
        if not code:  # it was confirmed a moment ago
            raise second_factor_required(SECOND_FACTOR_CODE)
        if not await self._second_factors.accept(act, user.user_id, code):
            raise second_factor_wrong()
        await self._throttle.succeeded(act, user.email or "")
