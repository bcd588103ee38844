"""Proving again who one is, before what a stolen token must not be enough for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.login import Login, still_proven
from headrace_auth.use_cases.second_factors import SecondFactors
from headrace_auth.use_cases.throttle import LoginThrottle
from headrace_common.errors import HeadraceError, Reason, credential_invalid


class Reauthentication:
    """Passwords and codes of people who have logged in already; counted like those of logins."""

    def __init__(
        self, acts: Acts, login: Login, second_factors: SecondFactors, throttle: LoginThrottle
    ) -> None:
        self._acts = acts
        self._login = login
        self._second_factors = second_factors
        self._throttle = throttle

    async def prove(self, caller: Caller, password: str) -> User:
        """The caller's user, whose password it is; raises what `Login.prove` raises."""
        user_id = caller.identified().member.user_id
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(user_id)
        if user is None or user.email is None:
            raise credential_invalid()
        return await self._login.prove(caller, user.email, password)

    @asynccontextmanager
    async def begin(
        self, caller: Caller, proven: User, *, code: str | None
    ) -> AsyncIterator[tuple[Act, User]]:
        """An act of this user, locked, if nothing has changed since `prove`.

        The second factor, if there is one, must accept the `code`; with None it is not asked.
        Raises LOGIN_FAILED, SECOND_FACTOR_REQUIRED (`code` is empty), and what the block raises.
        """
        try:
            async with self._acts.begin(caller) as act:
                user = await still_proven(act, proven)
                if code is not None:
                    await self._second_factors.check(act, user.user_id, code)
                await self._throttle.succeeded(act, user.email or "")
                yield act, user
        except HeadraceError as error:
            if error.reason is Reason.LOGIN_FAILED:
                await self._throttle.failed(caller, proven.email or "")
            raise
