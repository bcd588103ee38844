"""How fast the echo engine is, and how it fails, as an installation or a test wants it."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace_common.errors import HeadraceError, Reason

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """What an EchoEngine awaits before each token.

    Of all tokens, over all requests, each `failing_every`th fails its answer and each
    `stalling_every`th never comes; 0 for none.
    """

    def __init__(
        self,
        token_seconds: float,
        *,
        failing_every: int = 0,
        stalling_every: int = 0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._token_seconds = token_seconds
        self._failing_every = failing_every
        self._stalling_every = stalling_every
        self._sleep = sleep
        self._tokens = 0

    async def __call__(self) -> None:
        """Raises ENGINE_FAILED when it is the time for it."""
        self._tokens += 1
        if self._failing_every and self._tokens % self._failing_every == 0:
            raise HeadraceError(Reason.ENGINE_FAILED, "the echo engine fails as it was told to")
        if self._stalling_every and self._tokens % self._stalling_every == 0:
            await asyncio.Event().wait()
        await self._sleep(self._token_seconds)
