"""Slows down whoever guesses passwords: per account, existing or not, and per address."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import (
    LockoutPolicy,
    LoginFailures,
    account_subject,
    address_subject,
    wait_seconds,
)
from headrace_auth.domain.refusals import login_throttled
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.failure_counts import count_failure, failures_of


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
            known = await failures_of(act, subject)
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
            known = await failures_of(act, subject)
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
        counted = await count_failure(act, subject, known, policy)
        if counted.failures == policy.free_failures + 1:
            await act.warn("logins_throttled", f"login_failures:{subject}")
