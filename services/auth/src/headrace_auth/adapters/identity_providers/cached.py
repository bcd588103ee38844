"""A value that is loaded when somebody needs it and kept for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from headrace_common.clock import Clock

T = TypeVar("T")
Load = Callable[[], Awaitable[T]]


class Cached(Generic[T]):
    """Loads once for all who ask at the same time; what fails to load is not remembered."""

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._loaded: tuple[float, T] | None = None
        self._lock = asyncio.Lock()

    async def get(self, load: Load[T], *, younger_than: float | None = None) -> T:
        """The value, loaded anew if it is older than `younger_than` seconds, or than it may be."""
        seconds = self._seconds if younger_than is None else younger_than
        async with self._lock:
            now = self._clock.monotonic()
            if self._loaded is None or now - self._loaded[0] >= seconds:
                self._loaded = (now, await load())
            return self._loaded[1]
