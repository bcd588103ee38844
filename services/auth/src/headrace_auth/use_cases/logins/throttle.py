"""Slows down whoever guesses passwords: per account, existing or not, and per address."""

from collections.abc import Callable

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
from headrace_common.errors import Reason


class LoginThrottle:
    """Counts failed proofs of identity; unknown accounts are counted like known ones."""

    def __init__(
        self,
        acts: Acts,
        account: LockoutPolicy,
        address: LockoutPolicy,
        subject: Callable[[str], str] = account_subject,
    ) -> None:
        """`subject` names what an account's failures are counted for, by its e-mail address."""
        self._acts = acts
        self._account = account
        self._address = address
        self._subject = subject

    async def begin(self, caller: Caller, email: str) -> None:
        """Call it before looking at the password; raises LOGIN_THROTTLED.

        The attempt counts as a failure of the account until `succeeded`: many guesses at once are
        as few as one after the other. One that is refused for the account counts for its address:
        who keeps others out of their accounts is kept out, too.
        """
        async with self._acts.begin(caller) as act:
            subject = self._subject(email)
            known = await failures_of(act, subject)
            account_wait = wait_seconds(known, act.now)
            address_wait = wait_seconds(await self._known_address(act, caller), act.now)
            wait = max(account_wait, address_wait)
            if wait == 0:
                await self._count(act, subject, known, self._account)
            elif address_wait == 0:
                await self._count_address(act, caller)
        # Outside of the act: what was counted must stay although the call fails.
        if wait > 0:
            raise login_throttled(wait)

    async def failed(self, caller: Caller, email: str) -> None:
        """The proof was wrong: the address counts it, too, and the audit hears of it.

        It takes the same work whether or not there is such an account.
        """
        async with self._acts.begin(caller) as act:
            await act.warn_of_refusal(
                Reason.LOGIN_FAILED, "login_failed", f"login_failures:{self._subject(email)}"
            )
            await self._count_address(act, caller)

    async def succeeded(self, act: Act, email: str) -> None:
        """Forget the account's failures; the address's stay."""
        await act.of(LoginFailures).remove(self._subject(email))

    async def _known_address(self, act: Act, caller: Caller) -> LoginFailures | None:
        if not caller.source_address:
            return None
        return await act.of(LoginFailures).get(address_subject(caller.source_address))

    async def _count_address(self, act: Act, caller: Caller) -> None:
        if not caller.source_address:
            return
        subject = address_subject(caller.source_address)
        known = await failures_of(act, subject)
        await self._count(act, subject, known, self._address)

    async def _count(
        self, act: Act, subject: str, known: LoginFailures | None, policy: LockoutPolicy
    ) -> None:
        counted = await count_failure(act, subject, known, policy)
        if counted.failures == policy.free_failures + 1:
            await act.warn_of_refusal(
                Reason.LOGIN_THROTTLED, "logins_throttled", f"login_failures:{subject}"
            )
