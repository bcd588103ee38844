"""How fast each engine answers, ours and others', over the same weights."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.engine_clients import Ask, Heard
from benchmarks.engine_contestants import Contestant
from benchmarks.engine_prompts import prompt

MAX_TOKENS = 64
SPREAD_SECONDS = 0.5
"""Callers begin at random within so long, so that batches are not all of one age."""


@dataclass(frozen=True, slots=True)
class Load:
    """`concurrency` callers, each of which asks `each` times in a round, one after another."""

    prompt_tokens: int
    concurrency: int
    each: int
    rounds: int

    def for_slow(self) -> "Load":
        return Load(self.prompt_tokens, self.concurrency, max(self.each // 2, 1), self.rounds)

    def fits_slow(self) -> bool:
        return self.prompt_tokens * self.concurrency <= 10_000


SHORT, LONG = 40, 1000
LOADS = (
    Load(SHORT, 1, each=4, rounds=3),
    Load(SHORT, 8, each=2, rounds=3),
    Load(SHORT, 32, each=2, rounds=3),
    Load(SHORT, 64, each=1, rounds=3),
    Load(LONG, 1, each=2, rounds=1),
    Load(LONG, 8, each=1, rounds=1),
    Load(LONG, 32, each=1, rounds=1),
    Load(LONG, 64, each=1, rounds=1),
)
QUICK_LOADS = (Load(SHORT, 1, each=3, rounds=1), Load(SHORT, 8, each=1, rounds=2))


@dataclass(slots=True)
class Cell:
    """What one contestant did under one load, over all rounds."""

    contestant: str
    load: Load
    heard: list[Heard] = field(default_factory=list)
    seconds: float = 0.0
    """Of all rounds, each from its first question to its last answer."""

    @property
    def tokens_per_second(self) -> float:
        return sum(each.tokens for each in self.heard) / self.seconds


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a contestant needs."""

    contestant: str
    start_seconds: float
    """From its start to its first answer; of a model that was prepared before."""
    peak_bytes: int


async def measure(
    contestants: Sequence[Contestant], loads: Sequence[Load]
) -> tuple[list[Cell], list[Footprint]]:
    """All loads, the contestants taking turns in each round; raises ContestantError."""
    cells: list[Cell] = []
    async with AsyncExitStack() as stack:
        asks: dict[str, Ask] = {}
        started: dict[str, float] = {}
        for contestant in contestants:
            asks[contestant.name] = await stack.enter_async_context(contestant.client())
            await asks[contestant.name](prompt(SHORT, 0), 2)
            started[contestant.name] = perf_counter() - contestant.started
        for load in loads:
            cells += await _compare(contestants, asks, load)
    footprints = [Footprint(c.name, started[c.name], c.peak_bytes()) for c in contestants]
    return cells, footprints


async def _compare(
    contestants: Sequence[Contestant], asks: dict[str, Ask], load: Load
) -> list[Cell]:
    fit = [each for each in contestants if not each.slow or load.fits_slow()]
    loads = {each.name: load.for_slow() if each.slow else load for each in fit}
    cells = [Cell(name, asked) for name, asked in loads.items()]
    for number in range(load.rounds):
        # the machine grows slower and faster by the minute: nobody is always first
        for cell in cells if number % 2 else reversed(cells):
            await _play(asks[cell.contestant], cell, number)
    return cells


async def _play(ask: Ask, cell: Cell, number: int) -> None:
    load = cell.load

    async def keep_asking(caller: int) -> None:
        await asyncio.sleep(draw.uniform(0, SPREAD_SECONDS) if load.concurrency > 1 else 0)
        for question in range(load.each):
            unique = (number * load.each + question) * load.concurrency + caller
            text = prompt(load.prompt_tokens, unique, f"{cell.contestant} {load.concurrency}")
            cell.heard.append(await ask(text, MAX_TOKENS))

    draw = random.Random(number)  # noqa: S311 - the same in each run
    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for caller in range(load.concurrency):
            group.create_task(keep_asking(caller))
    cell.seconds += perf_counter() - began
