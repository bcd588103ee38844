"""Runs a server for the length of a `with` block, for tests of the services."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headrace_local.errors import ComponentFailedError
from headrace_local.guard import guarded
from headrace_local.probes import NotReadyError, Probe
from headrace_local.processes import kill_group, minimal_environment


@contextmanager
def serving(
    command: Sequence[str],
    *,
    log: Path,
    probe: Probe,
    stop_signal: int = signal.SIGTERM,
    deadline_seconds: float = 30.0,
) -> Iterator[None]:
    """Start `command`, wait until the probe succeeds, and stop it at the end.

    Must be called where no event loop runs.

    Raises:
        ComponentFailedError: it ended or missed the deadline; the message has its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            guarded(command),
            env=minimal_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        if not asyncio.run(_becomes_ready(process, probe, time.monotonic() + deadline_seconds)):
            raise ComponentFailedError(f"{command[0]} did not start:\n{log.read_text()}")
        yield
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            process.wait(10)


async def _becomes_ready(process: subprocess.Popen[bytes], probe: Probe, deadline: float) -> bool:
    while process.poll() is None and time.monotonic() < deadline:
        try:
            await probe()
        except NotReadyError:
            await asyncio.sleep(0.02)
        else:
            return True
    return False
