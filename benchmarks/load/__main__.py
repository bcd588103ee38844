"""The generator's process: reads a plan, warms up, says so, and measures when told to."""

import asyncio
import sys

import uvloop

from benchmarks.load.generator import Generator
from benchmarks.load.plan import GO, READY, Plan


async def main() -> None:
    """Speak the protocol of `benchmarks.load.plan` over standard input and output."""
    plan = Plan.model_validate_json(sys.stdin.readline())
    generator = Generator(plan)
    await generator.open()
    try:
        await generator.run(plan.warm_up_seconds)
        _say(READY)
        word = await asyncio.to_thread(sys.stdin.readline)
        if word.strip() == GO:
            outcome = await generator.run(plan.seconds)
            _say(outcome.model_dump_json())
    finally:
        generator.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


try:
    uvloop.run(main())
except* (OSError, TimeoutError) as failed:
    sys.exit(f"{type(failed.exceptions[0]).__name__}: {failed.exceptions[0]}")
