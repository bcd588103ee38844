"""Proving again who one is, before what a stolen token must not be enough for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    ADDRESS_POLICY,
    reauthentication_subject,
)
from headrace_auth.domain.refusals import login_too_old
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.logins.login import Login, still_proven
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_common.errors import HeadraceError, Reason, credential_invalid

RECENT = timedelta(minutes=5)


class Reauthentication:
    """Passwords and codes of people who have logged in already.

    They are counted like those of logins, but apart: a stranger who keeps an account locked does
    not keep its owner from changing the password.
    """

    def __init__(self, acts: Acts, login: Login, second_factors: SecondFactors) -> None:
        self._acts = acts
        self._login = login
        self._second_factors = second_factors
        self._throttle = LoginThrottle(
            acts, ACCOUNT_POLICY, ADDRESS_POLICY, reauthentication_subject
        )

    async def prove(self, caller: Caller, password: str) -> User:
        """The caller's user, whose password it is; raises what `Login.prove` raises.

        One count for all of the user's sessions: new ones bring no new guesses.
        """
        user_id = caller.identified().member.user_id
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(user_id)
        if user is None or user.email is None:
            raise credential_invalid()
        return await self._login.prove(caller, user.email, password, self._throttle)

    async def confirm(self, caller: Caller, password: str, code: str) -> None:
        """Password and second factor; of an account that has no password, a recent login.

        Such a login is a session that began less than `RECENT` ago, however often it was refreshed:
        the identity provider and the second factor were asked then. Raises what `prove` and `begin`
        raise, and PERMISSION_DENIED for an older session.
        """
        principal = caller.identified()
        async with self._acts.begin(caller) as act:
            user = await act.of(User).get(principal.member.user_id)
            session = await act.of(Session).get(principal.session_id)
            if user is not None and user.password_hash is None:
                if session is None or act.now - session.created_at >= RECENT:
                    raise login_too_old()
                return
        proven = await self.prove(caller, password)
        async with self.begin(caller, proven, code=code):
            pass  # nothing but the proof is wanted

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
