"""From e-mail, password and perhaps a second factor to a session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.fields import check_password_length, normalize_email
from headrace_auth.domain.password_policy import normalize_password
from headrace_auth.domain.refusals import email_not_verified, login_failed
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.sessions.open_sessions import (
    LoggedIn,
    OpenSession,
    SessionOpener,
    home_of,
)
from headrace_common.errors import HeadraceError, Reason


class Login:
    """Password login; unknown account and wrong password cost the same and read the same."""

    def __init__(
        self,
        acts: Acts,
        passwords: Passwords,
        throttle: LoginThrottle,
        second_factors: SecondFactors,
        opener: SessionOpener,
    ) -> None:
        self._acts = acts
        self._passwords = passwords
        self._throttle = throttle
        self._second_factors = second_factors
        self._opener = opener

    async def log_in(
        self,
        caller: Caller,
        email: str,
        password: str,
        *,
        code: str = "",
        organization_id: str = "",
    ) -> LoggedIn:
        """A session in that organisation, or in the oldest of the account.

        Raises LOGIN_FAILED, LOGIN_THROTTLED, QUEUE_FULL, INVALID_FIELD, DEPENDENCY_UNAVAILABLE, and
        only after the right password SECOND_FACTOR_REQUIRED and PERMISSION_DENIED.
        """
        async with self.proven(caller, email, password, code) as (act, user):
            opened = await self._open(act, user, organization_id)
        return await self._opener.tokens(opened)

    @asynccontextmanager
    async def proven(
        self, caller: Caller, email: str, password: str, code: str
    ) -> AsyncIterator[tuple[Act, User]]:
        """An act of whoever has this password and code; raises as `log_in`, and as the block.

        If the block raises, nothing is forgiven, and LOGIN_FAILED is counted.
        """
        user = await self.prove(caller, email, password, self._throttle)
        try:
            async with self._acts.begin(caller) as act:
                user = await still_proven(act, user)
                await self._second_factors.check(act, user.user_id, code)
                await self._throttle.succeeded(act, normalize_email(email))
                if user.email_verified_at is None:
                    raise email_not_verified()
                yield act, user
        except HeadraceError as error:
            if error.reason is Reason.LOGIN_FAILED:
                await self._throttle.failed(caller, normalize_email(email))
            raise

    async def prove(
        self, caller: Caller, email: str, password: str, throttle: LoginThrottle
    ) -> User:
        """Whose password it is; `throttle` counts a wrong one. Raises as `log_in`.

        The caller forgives the account's failures once everything else is proven, too.
        """
        normalized = normalize_email(email)
        checked = normalize_password(check_password_length(password))
        await throttle.begin(caller, normalized)
        async with self._acts.begin(caller) as act:
            found = await act.of(User).find(email=normalized)
        user = found[0] if found else None
        stored = user.password_hash if user and user.disabled_at is None else None
        if not await self._passwords.verify(stored, checked) or user is None:
            await throttle.failed(caller, normalized)
            raise login_failed()
        if self._passwords.needs_rehash(stored or ""):
            await self._rehash(caller, user, checked)
        return user

    async def _open(self, act: Act, user: User, organization_id: str) -> OpenSession:
        return await self._opener.open(act, user, await home_of(act, user, organization_id))

    async def _rehash(self, caller: Caller, user: User, password: str) -> None:
        """The cost parameters have changed since; the password itself has not."""
        stronger = await self._passwords.hash(password)
        async with self._acts.begin(caller) as act:
            known = await act.of(User).get(user.user_id, lock=True)
            if known is not None and known.password_hash == user.password_hash:
                await act.of(User).put(replace(known, password_hash=stronger))


async def still_proven(act: Act, proven: User) -> User:
    """The user, locked before anything else of it, if its password is still the proven one.

    Raises LOGIN_FAILED. A session refers to its user: who opens one and who ends them all would
    wait for each other if they did not begin with the same lock.
    """
    user = await act.of(User).get(proven.user_id, lock=True)
    if user is None or user.disabled_at is not None or user.token_version != proven.token_version:
        raise login_failed()
    return user
