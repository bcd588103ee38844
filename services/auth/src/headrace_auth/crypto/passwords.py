"""Passwords by argon2id (RFC 9106), off the event loop and never more than a bound at once."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from headrace_auth.domain.refusals import too_many_logins

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """argon2id's parameters, and how many hashes run and wait at once in this process."""

    time_cost: int
    memory_kib: int
    parallelism: int
    threads: int
    maximum_pending: int


class Passwords:
    """Hashes and verifies in threads of its own; close it when done."""

    def __init__(self, cost: PasswordCost) -> None:
        self._hasher = PasswordHasher(cost.time_cost, cost.memory_kib, cost.parallelism)
        self._pool = ThreadPoolExecutor(cost.threads, thread_name_prefix="argon2")
        self._pending = threading.BoundedSemaphore(cost.maximum_pending)
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The encoded hash, parameters and salt included; raises QUEUE_FULL beyond the bound."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether they match; None (no such account) takes the same work and is False.

        Raises QUEUE_FULL beyond the bound.
        """
        stored = password_hash or self._nobodys_hash
        return await self._run(lambda: self._matches(stored, password)) and bool(password_hash)

    async def close(self) -> None:
        """Forget what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._pending.acquire(blocking=False):
            raise too_many_logins()
        future = self._pool.submit(work)
        # Not in a finally: a cancelled call's thread still works, and must still count.
        future.add_done_callback(lambda _: self._pending.release())
        return await asyncio.wrap_future(future)
