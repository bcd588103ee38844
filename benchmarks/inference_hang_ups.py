"""How long a slot stays taken after its caller has hung up, against a step of the engine's work."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.inference_asking import Asker, Call, asking, until_event
from benchmarks.inference_process import running_inference
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.processes import ContestantError
from benchmarks.report import Target

SLOTS = 4
CHUNK_TOKENS = 512
"""The default of PREFILL_CHUNK_TOKENS."""
TIMES, QUICK_TIMES = 100, 8
WARM_UPS = 8
ALLOWED_SECONDS = 0.05
STORY = "Tell me a very long story about a river, and do not stop."
BOOK = "Read this and tell me what it is about. " + "The rain fell on the river. " * 207
"""About 1,500 tokens, so three chunks."""
TWO_CHUNKS = "Read this and tell me what it is about. " + "The rain fell on the river. " * 135
"""The beginning of the book."""
PAGE = "Read this and tell me what it is about. " + "The rain fell on the river. " * 60
"""About 450 tokens: one chunk, but two of these are more than one."""
MANY_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Steps:
    """What the engine does between two looks at who hung up, in seconds."""

    decode: float
    chunk: float
    """The slowest one seen at the end of the book, where there is most to look back at."""
    prefill: float
    """Of the whole book."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Seconds from its start to its first text, and from there to its last; how long both are."""

    reading: float
    writing: float
    prompt_tokens: int
    tokens: int


def measure(*, quick: bool) -> list[Measurement]:
    """Hang up while an answer is written, while a prompt is read or next, and while waiting.

    Raises ContestantError.
    """
    settings = {"SLOTS": str(SLOTS), "PREFILL_CHUNK_TOKENS": str(CHUNK_TOKENS)}
    with running_inference(**settings) as running:
        return asyncio.run(_measure(running.address, QUICK_TIMES if quick else TIMES))


async def _measure(address: str, times: int) -> list[Measurement]:
    draw = random.Random("hang-ups")  # noqa: S311 - the same moments in each run
    async with asking(address) as asker:
        steps = await _steps(asker)
        allowed = {
            "mid-decode": (_write, steps.decode),
            "mid-prefill": (_read, steps.chunk),
            "next to be read": (_be_next, 0.0),
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
    decodes, chunks, prefills = [], [], []
    for _ in range(WARM_UPS):
        answer = await _answer(asker.ask(STORY, max_tokens=40))
        decodes.append(answer.writing / (answer.tokens - 1))
        beginning = await _answer(asker.ask(TWO_CHUNKS, max_tokens=1))
        book = await _answer(asker.ask(BOOK, max_tokens=1))
        end = book.prompt_tokens - beginning.prompt_tokens
        chunks.append((book.reading - beginning.reading) * CHUNK_TOKENS / end)
        prefills.append(book.reading)
    return Steps(median(decodes), max(chunks), median(prefills))


async def _answer(call: Call) -> Answer:
    moments, prompt_tokens, tokens = [], 0, 0
    async for message in call:
        match message.WhichOneof("event"):
            case "started":
                prompt_tokens = message.started.prompt_tokens
                moments.append(time.perf_counter())
            case "delta":
                moments.append(time.perf_counter())
            case "finished":
                tokens = message.finished.completion_tokens
    if len(moments) < 2:
        raise ContestantError("an answer has no text")
    started, first, last = moments[0], moments[1], moments[-1]
    return Answer(first - started, last - first, prompt_tokens, tokens)


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


async def _be_next(asker: Asker, steps: Steps, draw: random.Random) -> float:
    """Hang up on a prompt that waits to be read while the one before it is, all in one pass."""
    first = asker.ask(PAGE, max_tokens=MANY_TOKENS)
    await until_event(first, "started")
    call = asker.ask(PAGE, max_tokens=MANY_TOKENS)
    await asker.until(lambda load: load.running_slots == 2)
    await asyncio.sleep(steps.chunk * draw.uniform(0.0, 0.5))
    seconds = await _until_gone(call, lambda: asker.until(lambda load: load.running_slots < 2))
    if first.done():
        raise ContestantError("the answer that goes first ended too early")
    first.cancel()
    await asker.until(lambda load: not load.running_slots)
    return seconds


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
