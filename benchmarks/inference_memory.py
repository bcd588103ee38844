"""Whether the inference process grows: its memory after 200 requests and after 2,000."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import psutil
import typer

from benchmarks.inference_asking import Asker, asking, until_event
from benchmarks.inference_process import InferenceProcess, running_inference
from benchmarks.processes import ContestantError, until_at_rest
from benchmarks.report import JsonFile, Prepare, Quick, Target, begin, table
from headrace_inference.testing import prepared_model

ENGINES = ("echo", "llamacpp")
FIRST, ALL = 200, 2000
QUICK_FIRST, QUICK_ALL = 50, 150
TOGETHER = 8
HANG_UP_EVERY = 10
MAX_TOKENS = 4
ALLOWED_RATIO = 1.05
SEED = "A" * 43 + "="
"""Answers are signed, so that this is measured too."""

PATIENCE = {"STALL_SECONDS": "1000", "SILENT_SECONDS": "1000"}
"""However busy the machine is."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory of one engine's process, in bytes, at rest after so many requests."""

    engine: str
    at_first: int
    first_bytes: int
    at_last: int
    last_bytes: int

    @property
    def ratio(self) -> float:
        return self.last_bytes / self.first_bytes

    def target(self) -> Target:
        name = f"{self.engine}: memory after {self.at_last} requests, of after {self.at_first}"
        return Target(name, self.ratio, ALLOWED_RATIO, at_most=True)


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Measure how much each engine's process grows."""
    console, machine = begin(
        prepare=prepare, prepared=lambda: f"The model is at {prepared_model()}."
    )
    if quick:
        console.print("Quick: too few requests to tell a leak from warming up.")
    try:
        grown = [measure(engine, quick=quick) for engine in ENGINES]
    except ContestantError as error:
        console.print(f"ERROR memory could not be measured: {error}")
        raise typer.Exit(1) from error
    columns = ("engine", "requests", "MB", "requests", "MB", "ratio")
    console.print(table("Resident memory", columns, (_row(growth) for growth in grown)))
    for growth in grown:
        console.print(growth.target().line())
    if json_file:
        figures = {
            "machine": dataclasses.asdict(machine),
            "memory": [dataclasses.asdict(growth) for growth in grown],
        }
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(engine: str, *, quick: bool) -> Growth:
    """Short answers, some of them cut by a hang-up; raises ContestantError."""
    first, last = (QUICK_FIRST, QUICK_ALL) if quick else (FIRST, ALL)
    settings = {"ENGINE": engine, "ANSWER_SIGNING_KEYS": SEED, **PATIENCE}
    with running_inference(**settings) as running:
        return asyncio.run(_measure(engine, running, first, last))


async def _measure(engine: str, running: InferenceProcess, first: int, last: int) -> Growth:
    async with asking(running.address) as asker:
        numbers = iter(range(last))
        await _ask(asker, numbers, first)
        first_bytes = await asyncio.to_thread(_resident, running.process)
        await _ask(asker, numbers, last - first)
        last_bytes = await asyncio.to_thread(_resident, running.process)
    return Growth(engine, first, first_bytes, last, last_bytes)


async def _ask(asker: Asker, numbers: Iterator[int], count: int) -> None:
    """So many of the requests, several at once."""
    mine = iter([next(numbers) for _ in range(count)])

    async def keep_asking() -> None:
        for number in mine:
            await _answer(asker, number)

    await asyncio.gather(*(keep_asking() for _ in range(TOGETHER)))


async def _answer(asker: Asker, number: int) -> None:
    call = asker.ask(f"Say something about the number {number}.", MAX_TOKENS)
    hang_up = number % HANG_UP_EVERY == 0
    try:
        await until_event(call, "delta" if hang_up else "finished")
    except grpc.aio.AioRpcError as error:
        raise ContestantError(f"request {number}: {error.code().name} {error.details()}") from error
    if hang_up:
        call.cancel()


def _resident(process: psutil.Process) -> int:
    until_at_rest(lambda: {"inference": [process]})
    return int(process.memory_info().rss)


def _row(growth: Growth) -> tuple[str, ...]:
    return (
        growth.engine,
        str(growth.at_first),
        f"{growth.first_bytes / 1e6:.1f}",
        str(growth.at_last),
        f"{growth.last_bytes / 1e6:.1f}",
        f"{growth.ratio:.3f}",
    )


if __name__ == "__main__":
    typer.run(main)
