"""Passwords by argon2id (RFC 9106), off the event loop and never more than a bound at once."""

import contextlib
import os
import secrets
import sys
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from headrace_auth.domain.password_policy import normalize_password
from headrace_auth.domain.refusals import too_many_logins
from headrace_common.bounded_threads import BoundedThreads

NICENESS = 19


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """argon2id's parameters, and how many hashes run and wait at once in this process."""

    time_cost: int
    memory_kib: int
    parallelism: int
    threads: int
    maximum_pending: int


def hashing_threads(cost: PasswordCost) -> BoundedThreads:
    """As many as the cost says, which step back for the event loop."""
    return BoundedThreads(
        "argon2",
        threads=cost.threads,
        maximum_pending=cost.maximum_pending,
        refusal=too_many_logins,
        initializer=_yield_to_event_loop,
    )


class Passwords:
    """Hashes and verifies in threads of its own, in the normal form; close it when done."""

    def __init__(self, cost: PasswordCost, threads: BoundedThreads | None = None) -> None:
        """`threads` are those of `hashing_threads`, and are closed with this."""
        self._hasher = PasswordHasher(cost.time_cost, cost.memory_kib, cost.parallelism)
        self._threads = threads or hashing_threads(cost)
        # Of the cost of today, so that no account takes as long as one with a password of today.
        # One whose hash is older takes its own time until its next login renews it: that tells that
        # the account is there and old, and ends by itself.
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The encoded hash, parameters and salt included; raises QUEUE_FULL beyond the bound."""
        normal = normalize_password(password)
        return await self._threads.run(lambda: self._hasher.hash(normal))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether they match; None (no such account) takes the same work and is False.

        Raises QUEUE_FULL beyond the bound.
        """
        stored, normal = password_hash or self._nobodys_hash, normalize_password(password)
        return await self._threads.run(lambda: self._matches(stored, normal)) and bool(
            password_hash
        )

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost; after a login its password can be hashed anew.

        Raises argon2's InvalidHashError for what is no encoded hash.
        """
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Forget what waits; what runs ends by itself."""
        await self._threads.close()

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False


def _yield_to_event_loop() -> None:
    """Lower the calling thread's priority; the lanes that argon2 starts in it inherit that.

    argon2 leaves Python's lock alone, but lanes of several hashes fill every core, and the event
    loop that resolves tokens waits for its turn among them. Measured on two busy cores, two hashes
    at a time, eight rounds of each in turn: the loop's median delay fell from 2.7 to 0.2 ms and its
    99th percentile from 63 to 14 ms, at as many hashes a second (niceness 10). At 19, tokens are
    resolved first on a full machine and logins take what is left: `benchmarks/auth_logins.py` saw
    the 99th percentile of a resolution fall from 19 to 38 ms to 14 to 15 ms.
    """
    # Elsewhere than on Linux niceness belongs to the process. A sandbox that forbids it costs
    # speed; an initializer that raises would cost every login.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.nice(NICENESS)
