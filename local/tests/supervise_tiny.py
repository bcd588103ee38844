"""A supervisor of two tiny children, as a program of its own that tests interrupt and kill.

Arguments: the state directory, and `stubborn` if the first child shall ignore SIGTERM.
"""

import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console

from headrace_local.components import Component, Plan
from headrace_local.interrupts import Interrupts
from headrace_local.probes import NotReadyError
from headrace_local.progress import report_on
from headrace_local.stack import StackOptions, supervised

SERVE = """
import pathlib, signal, sys
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""


def table(plan: Plan) -> tuple[Component, ...]:
    """Two children that are ready when their file is there."""
    return (_child(plan.runtime / "first", *sys.argv[2:]), _child(plan.runtime / "second"))


def _child(mark: Path, *arguments: str) -> Component:
    async def look() -> None:
        if not await asyncio.to_thread(mark.exists):
            raise NotReadyError("has not made its file")

    command = (sys.executable, "-c", SERVE, str(mark), *arguments)
    return Component(mark.name, command, layer=0, probe=look, stop_seconds=60)


async def main() -> None:
    """Serve until a signal comes."""
    report = report_on(Console())
    interrupts = Interrupts(report.say)

    async def serve() -> None:
        options = StackOptions(Path(sys.argv[1]), port=0)
        async with supervised(table, options, observers=(report,), hurry=interrupts.hurry) as (
            _,
            supervisor,
        ):
            report.say("everything is ready")
            await supervisor.failed()

    await interrupts.run(serve())


if __name__ == "__main__":
    signal.alarm(100)
    asyncio.run(main())
