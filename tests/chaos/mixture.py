"""Requests of every sort in a fixed mixture: what a service meets in its life."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import httpx
from tests.chaos.callers import Question, ask, client_of
from tests.stack.completions import CHAT

from headrace_local.stack import Stack

CONCURRENCY = 16
BEFORE = 5
"""A repeated prompt is that of so many rounds ago, whose answer is in the cache by now."""

Activity = Callable[[httpx.AsyncClient, int], Awaitable[str]]
"""Makes one request, which belongs to the round of this number, and tells how it ended."""


class Mixture:
    """Numbers its rounds through, so that no prompt comes again unless it is meant to."""

    def __init__(self, stack: Stack, *, words: int, max_tokens: int | None = None) -> None:
        self._stack = stack
        self._words = words
        self._max_tokens = max_tokens
        self._acts: tuple[Activity, ...] = (
            self._plain,
            self._stream,
            self._kept,
            self._repeated,
            self._repeated_stream,
            self._list_models,
            self._refused,
            self._stranger,
            self._leave_mid_stream,
            self._leave_early,
        )
        self.ends: Counter[str] = Counter()

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {end}" for end, count in self.ends.most_common())

    async def run_until(self, total: int) -> None:
        """Go on until so many requests have been made in all."""
        numbers = iter(range(self.ends.total(), total))
        async with client_of(self._stack) as client, asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self._work(client, numbers))

    async def _work(self, client: httpx.AsyncClient, numbers: Iterator[int]) -> None:
        for number in numbers:
            turn, kind = divmod(number, len(self._acts))
            self.ends[await self._acts[kind](client, turn)] += 1

    def _question(
        self, name: str, *, streamed: bool = False, deterministic: bool = False
    ) -> Question:
        prompt = " ".join(f"{name}-{word}" for word in range(self._words))
        return Question(prompt, streamed, deterministic, self._max_tokens)

    async def _plain(self, client: httpx.AsyncClient, turn: int) -> str:
        return await self._answered(client, self._question(f"p{turn}"))

    async def _stream(self, client: httpx.AsyncClient, turn: int) -> str:
        return await self._answered(client, self._question(f"s{turn}", streamed=True))

    async def _kept(self, client: httpx.AsyncClient, turn: int) -> str:
        return await self._answered(client, self._question(f"k{turn}", deterministic=True))

    async def _repeated(self, client: httpx.AsyncClient, turn: int) -> str:
        question = self._question(f"k{max(turn - BEFORE, 0)}", deterministic=True)
        return await self._answered(client, question)

    async def _repeated_stream(self, client: httpx.AsyncClient, turn: int) -> str:
        name = f"k{max(turn - BEFORE, 0)}"
        question = self._question(name, streamed=True, deterministic=True)
        return await self._answered(client, question)

    async def _answered(self, client: httpx.AsyncClient, question: Question) -> str:
        answer = await ask(client, question, patience_seconds=120)
        if self._max_tokens is None and answer.wrong:
            return "wrong"
        return answer.cache if answer.good else answer.code or answer.broken

    async def _list_models(self, client: httpx.AsyncClient, turn: int) -> str:
        return f"models {(await client.get('/v1/models')).status_code}"

    async def _refused(self, client: httpx.AsyncClient, turn: int) -> str:
        body = {**self._question(f"r{turn}").body(), "temperature": 3 + turn}
        return f"bad request {(await client.post(CHAT, json=body)).status_code}"

    async def _stranger(self, client: httpx.AsyncClient, turn: int) -> str:
        headers = {"authorization": f"Bearer hr_stranger{turn}"}
        response = await client.post(CHAT, json=self._question("x").body(), headers=headers)
        return f"stranger {response.status_code}"

    async def _leave_mid_stream(self, client: httpx.AsyncClient, turn: int) -> str:
        body = self._question(f"m{turn}", streamed=True).body()
        async with client.stream("POST", CHAT, json=body) as response:
            await anext(response.aiter_lines())
        return f"left mid-stream {response.status_code}"

    async def _leave_early(self, client: httpx.AsyncClient, turn: int) -> str:
        try:
            async with asyncio.timeout(0.002):
                await client.post(CHAT, json=self._question(f"e{turn}").body())
        except TimeoutError:
            return "left early"
        return "answered too soon to leave"
