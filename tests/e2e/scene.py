"""The running stack around a caller who is about to leave, and what can be told of it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tests.e2e.calls import Call
from tests.stack.audit import row_where
from tests.stack.metrics import Metrics

from headrace_local.stack import Stack

RUNNING = "llm_requests_running"
WAITING = "llm_requests_waiting"
PROMPT_TOKENS = 'llm_tokens_total{type="prompt"}'
COMPLETION_TOKENS = 'llm_tokens_total{type="completion"}'

ALLOWANCE_SECONDS = 0.05
ATTEMPTS = 3
STORY = "Write a very long story about a river."
ONE_WORD = {"4626": 100}
"""A bias to " river": the answer lasts until its `max_tokens`, and no word of it is held back."""


class Scene:
    """One caller leaves; a witness streams all the while, perhaps among others.

    The engine gives each stream one token per pass (a decode step, with at most one chunk of
    somebody's prompt), so the witness's tokens show how long the passes take and how many ran.
    """

    def __init__(self, stack: Stack, trust: ssl.SSLContext, report: Callable[[str], None]) -> None:
        self.stack = stack
        self.report = report
        self.inference = Metrics(stack, "inference")
        self.gateway = Metrics(stack, "gateway")
        self.in_time = False
        """Told by `measure`."""
        self._trust = trust
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "Scene":
        for metrics in (self.inference, self.gateway):
            await self._closing.enter_async_context(metrics)
        await self.inference.until(RUNNING, 0)
        self.witness = await self.join()
        await self.witness.more(2)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def join(self, content: str = STORY, **body: Any) -> Call:
        """One more caller, who stays to the end of the scene unless the test hangs up."""
        wanted = {"stream": True, "max_tokens": 900, "logit_bias": ONE_WORD, **body}
        return await self._closing.enter_async_context(
            Call(self.stack, self._trust, content, **wanted)
        )

    async def leaver(self, content: str = STORY, **body: Any) -> Call:
        """The caller whom the scene is about; from now on nobody else begins or ends."""
        self._tokens = await self._counted()
        self._since = datetime.now(UTC)
        return await self.join(content, **body)

    async def used(self) -> tuple[int, int]:
        """The leaver's prompt and completion tokens, as the engine has counted them."""
        prompt, completion = await self._counted()
        return round(prompt - self._tokens[0]), round(completion - self._tokens[1])

    async def row(self) -> Any:
        """The leaver's event in the audit."""
        return await row_where(self.stack, "occurred_at >= $1", self._since)

    async def measure(self, gone: float, back: float) -> int:
        """In time is a count that was back within the longest pass meanwhile, and the allowance.

        Returns how many passes ran, the one that the caller left included.
        """
        await self.witness.more(1)
        passes = [b - a for a, b in pairwise(self.witness.arrivals) if b > gone and a < back]
        usual = sorted(b - a for a, b in pairwise(self.witness.arrivals))
        bound = max(passes) + ALLOWANCE_SECONDS
        self.report(
            f"back after {1000 * (back - gone):.0f} ms, allowed {1000 * bound:.0f} ms"
            f" (median pass {1000 * usual[len(usual) // 2]:.0f} ms)"
        )
        self.in_time = back - gone <= bound
        return len(passes)

    async def _counted(self) -> tuple[float, float]:
        prompt, completion = (
            self.inference.value(name) for name in (PROMPT_TOKENS, COMPLETION_TOKENS)
        )
        return await asyncio.gather(prompt, completion)


async def expect_in_time(
    make: Callable[[], Scene], play: Callable[[Scene], Awaitable[None]]
) -> None:
    """Play in new scenes until one is in time, three at most; what `play` asserts holds in each.

    Other processes can only delay a scene, and do so now and then; a fault of ours is in each.
    """
    for _ in range(ATTEMPTS):
        async with make() as scene:
            await play(scene)
        if scene.in_time:
            return
    raise AssertionError(f"all of {ATTEMPTS} scenes were late")
