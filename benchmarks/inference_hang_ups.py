"""How long a slot stays taken after its caller has hung up, against a step of the engine's work."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.inference_asking import Asker, Call, asking, until_event
from benchmarks.inference_process import running_inference
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.processes import ContestantError
from benchmarks.report import Target

SLOTS = 4
CHUNK_TOKENS = 256
"""The default of PREFILL_CHUNK_TOKENS."""
TIMES, QUICK_TIMES = 100, 8
WARM_UPS = 3
ALLOWED_SECONDS = 0.05
STORY = "Tell me a very long story about a river, and do not stop."
BOOK = "Read this and tell me what it is about. " + "The rain fell on the river. " * 138
"""About 1,000 tokens."""
MANY_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Steps:
    """What the engine does between two looks at who hung up, in seconds."""

    decode: float
    chunk: float
    prefill: float
    """Of the whole book."""


def measure(*, quick: bool) -> list[Measurement]:
    """Hang up while an answer is written, while a prompt is read and while waiting.

    Raises ContestantError.
    """
    with running_inference(SLOTS=str(SLOTS)) as running:
        return asyncio.run(_measure(running.address, QUICK_TIMES if quick else TIMES))


async def _measure(address: str, times: int) -> list[Measurement]:
    draw = random.Random("hang-ups")  # noqa: S311 - the same moments in each run
    async with asking(address) as asker:
        steps = await _steps(asker)
        allowed = {
            "mid-decode": (_write, steps.decode),
            "mid-prefill": (_read, steps.chunk),
            "waiting": (_wait, 0.0),
        }
        measured = []
        for name, (hang_up, step) in allowed.items():
            freed = [await hang_up(asker, steps, draw) for _ in range(times)]
            measured.append(_measurement(name, step, freed))
        return measured


def _measurement(name: str, step: float, freed: Sequence[float]) -> Measurement:
    wanted = (step + ALLOWED_SECONDS) * 1e3
    title = f"slowest slot freed after a hang-up {name}, ms (a step takes {step * 1e3:.1f})"
    target = Target(title, max(freed) * 1e3, wanted, at_most=True)
    return Measurement(f"slot freed, {name}", Summary.of(freed), targets=[target])


async def _steps(asker: Asker) -> Steps:
    """What a lone answer's steps take."""
    decodes, prefills = [], []
    for _ in range(WARM_UPS):
        times, _tokens = await _moments(asker.ask(STORY, max_tokens=40))
        decodes.append(median(later - earlier for earlier, later in pairwise(times[1:])))
        times, tokens = await _moments(asker.ask(BOOK, max_tokens=1))
        prefills.append((times[1] - times[0], tokens))
    seconds, tokens = median(each for each, _ in prefills), prefills[0][1]
    passes = tokens / (CHUNK_TOKENS + SLOTS)
    return Steps(median(decodes), seconds / passes, seconds)


async def _moments(call: Call) -> tuple[list[float], int]:
    """When the answer started and when each of its texts came; the prompt's tokens."""
    moments, tokens = [], 0
    async for message in call:
        kind = message.WhichOneof("event")
        if kind == "started":
            tokens = message.started.prompt_tokens
        if kind in ("started", "delta"):
            moments.append(time.perf_counter())
    if len(moments) < 2:
        raise ContestantError("an answer has no text")
    return moments, tokens


async def _write(asker: Asker, steps: Steps, draw: random.Random) -> float:
    """Hang up at any moment between two tokens."""
    call = asker.ask(STORY, max_tokens=MANY_TOKENS)
    for _ in range(draw.randint(1, 8)):
        await until_event(call, "delta")
    return await _freed(asker, call, steps.decode * draw.random())


async def _read(asker: Asker, steps: Steps, draw: random.Random) -> float:
    """Hang up at any moment while the book is read."""
    call = asker.ask(BOOK, max_tokens=MANY_TOKENS)
    await until_event(call, "started")
    return await _freed(asker, call, steps.prefill * draw.uniform(0.0, 0.95))


async def _freed(asker: Asker, call: Call, after: float) -> float:
    await asyncio.sleep(after)
    return await _until_gone(call, lambda: asker.until(lambda load: not load.running_slots))


async def _wait(asker: Asker, steps: Steps, draw: random.Random) -> float:
    """Hang up at any moment in the queue; the others hang up afterwards."""
    others = [asker.ask(STORY, max_tokens=MANY_TOKENS) for _ in range(SLOTS)]
    await asker.until(lambda load: load.running_slots == SLOTS)
    call = asker.ask(STORY, max_tokens=MANY_TOKENS)
    await asker.until(lambda load: load.waiting_requests == 1)
    await asyncio.sleep(steps.decode * draw.random())
    seconds = await _until_gone(call, lambda: asker.until(lambda load: not load.waiting_requests))
    for other in others:
        other.cancel()
    await asker.until(lambda load: not load.running_slots)
    return seconds


async def _until_gone(call: Call, gone: Callable[[], Awaitable[None]]) -> float:
    """Seconds from hanging up until the server shows no trace of the call."""
    if call.done():
        raise ContestantError("an answer ended before it was hung up on")
    began = time.perf_counter()
    call.cancel()
    await gone()
    return time.perf_counter() - began
