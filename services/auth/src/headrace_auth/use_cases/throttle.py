"""Slows down whoever guesses passwords: per account, existing or not, and per address."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import (
    LockoutPolicy,
    LoginFailures,
    account_subject,
    address_subject,
    after_failure,
    wait_seconds,
)
from headrace_auth.domain.refusals import login_throttled
from headrace_auth.use_cases.acts import Act, Acts


class LoginThrottle:
    """Counts failed proofs of identity; unknown accounts are counted like known ones."""

    def __init__(self, acts: Acts, account: LockoutPolicy, address: LockoutPolicy) -> None:
        self._acts = acts
        self._account = account
        self._address = address

    async def begin(self, caller: Caller, email: str) -> None:
        """Call it before looking at the password; raises LOGIN_THROTTLED.

        The attempt counts as a failure of the account until `succeeded`: many guesses at once are
        as few as one after the other.
        """
        async with self._acts.begin(caller) as act:
            subject = account_subject(email)
            await act.alone(f"login {subject}")
            # Locked: a login that succeeds at this moment forgets it.
            known = await act.of(LoginFailures).get(subject, lock=True)
            address = await self._known_address(act, caller)
            wait = max(wait_seconds(known, act.now), wait_seconds(address, act.now))
            if wait > 0:
                raise login_throttled(wait)
            await self._count(act, subject, known, self._account)

    async def failed(self, caller: Caller, email: str) -> None:
        """The proof was wrong: the address counts it, too, and the audit hears of it.

        It takes the same work whether or not there is such an account.
        """
        async with self._acts.begin(caller) as act:
            await act.warn("login_failed", f"login_failures:{account_subject(email)}")
            if not caller.source_address:
                return
            subject = address_subject(caller.source_address)
            await act.alone(f"login {subject}")
            known = await act.of(LoginFailures).get(subject, lock=True)
            await self._count(act, subject, known, self._address)

    async def succeeded(self, act: Act, email: str) -> None:
        """Forget the account's failures; the address's stay."""
        await act.of(LoginFailures).remove(account_subject(email))

    async def _known_address(self, act: Act, caller: Caller) -> LoginFailures | None:
        if not caller.source_address:
            return None
        return await act.of(LoginFailures).get(address_subject(caller.source_address))

    async def _count(
        self, act: Act, subject: str, known: LoginFailures | None, policy: LockoutPolicy
    ) -> None:
        failures = after_failure(subject, known, act.now, policy)
        await (
            act.of(LoginFailures).put(failures) if known else act.of(LoginFailures).add(failures)
        )
        if failures.failures == policy.free_failures + 1:
            await act.warn("logins_throttled", f"login_failures:{subject}")
