"""From a new password to its hash, if it is good enough."""

import asyncio
from collections.abc import Iterable
from functools import partial

from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.password_policy import check_new_password
from headrace_auth.ports import BreachedPasswords


class NewPasswords:
    """Checks, then hashes."""

    def __init__(
        self, passwords: Passwords, breached: BreachedPasswords, *, minimum_length: int
    ) -> None:
        self._passwords = passwords
        self._breached = breached
        self._minimum_length = minimum_length

    async def hash(self, password: str, *, about: Iterable[str], param: str = "password") -> str:
        """Raises INVALID_FIELD (`param`), QUEUE_FULL or DEPENDENCY_UNAVAILABLE.

        `about` is what a stranger knows of the account and would try.
        """
        check = partial(
            check_new_password,
            password,
            minimum_length=self._minimum_length,
            is_breached=self._breached.contains,
            about=[text for text in about if text],
            param=param,
        )
        # The list may lie on a disk.
        await asyncio.to_thread(check)
        return await self._passwords.hash(password)
