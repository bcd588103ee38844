"""One blocking call into llama.cpp, run on a thread, awaited with a bound."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from headrace_common.errors import HeadraceError, Reason


class Call:
    """Starts at once, on a daemon thread of its own: a library that hangs must not keep the
    process from exiting, and nobody can interrupt it."""

    def __init__(
        self, function: Callable[[Mapping[str, Any]], Any], body: Mapping[str, Any]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[Any] = self._loop.create_future()
        self._stalled = False
        threading.Thread(
            target=self._run, args=(function, body), name="llamacpp call", daemon=True
        ).start()

    async def answer(self, stall_seconds: float) -> Any:
        """What the library returns; raises ENGINE_FAILED if it fails or takes longer than this."""
        done, _ = await asyncio.wait({self._outcome}, timeout=stall_seconds)
        if not done:
            self._stalled = True
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled")
        if (error := self._outcome.exception()) is not None:
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine failed") from error
        return self._outcome.result()

    async def ended(self, seconds: float) -> bool:
        """Wait for the thread to end, whatever comes of it; False if it stalled, or did not end."""
        if not self._stalled:
            await asyncio.wait({self._outcome}, timeout=seconds)
        if self._outcome.done():
            self._outcome.exception()  # who waited for it has been told, or has left
        return self._outcome.done()

    def _run(self, function: Callable[[Mapping[str, Any]], Any], body: Mapping[str, Any]) -> None:
        try:
            answer, failure = function(body), None
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            answer, failure = None, error
        with suppress(RuntimeError):  # an engine that stalled may outlive the event loop
            self._loop.call_soon_threadsafe(self._end, answer, failure)

    def _end(self, answer: Any, failure: Exception | None) -> None:
        if failure is None:
            self._outcome.set_result(answer)
        else:
            self._outcome.set_exception(failure)
