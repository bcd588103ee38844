"""What the subcommands do; `cli` only parses their arguments."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from headrace_local import postgres
from headrace_local.access import Access
from headrace_local.components import NAMES
from headrace_local.credentials import Credentials
from headrace_local.demo import stream_answer
from headrace_local.directories import StateDirectory
from headrace_local.errors import LocalStackError
from headrace_local.interrupts import Interrupts
from headrace_local.logs import follow, last_lines
from headrace_local.postgres_server import DATABASE
from headrace_local.progress import STYLES, report_on
from headrace_local.stack import Stack, StackOptions, running_stack
from headrace_local.state import StackState, end_leftovers, hold_lock, read_state
from headrace_local.welcome import print_welcome

DOWN_SECONDS = 90.0

# Of long ids the end: those of one minute begin alike.
EVENTS = r"""
SELECT to_char(occurred_at, 'HH24:MI:SS') AS time, operation,
       left(regexp_replace(resource, '[0-9a-f-]{24,}([0-9a-f]{8})', '..\1', 'g'), 25) AS resource,
       concat_ws(': ', outcome, nullif(lower(error_reason), outcome)) AS outcome,
       cache_status AS cache,
       prompt_tokens AS prompt, completion_tokens AS answer, request_id
FROM audit.events ORDER BY occurred_at DESC
"""

Work = Callable[[Stack], Awaitable[None]]


def up(options: StackOptions, console: Console) -> None:
    """Run the stack until a signal comes, or a component cannot be kept alive."""

    async def serve(stack: Stack) -> None:
        print_welcome(console, stack.access)
        await stack.supervisor.failed()

    asyncio.run(_with_stack(options, console, serve))


def demo(options: StackOptions, console: Console) -> None:
    """Stream one answer from the running stack, or from one that is started for it."""
    state = read_state(options.directory.state_file)
    if state and state.is_running:
        credentials = Credentials.load(options.directory.secrets_file)
        access = Access.of(state.url, Path(state.ca_file), credentials, state.model)
        asyncio.run(stream_answer(console, access))
        return

    async def ask(stack: Stack) -> None:
        await stream_answer(console, stack.access)

    asyncio.run(_with_stack(options, console, ask))


def down(directory: StateDirectory, console: Console) -> None:
    """Ask the running supervisor to stop, and wait until it has.

    Raises:
        LocalStackError: it does not stop.
    """
    state = read_state(directory.state_file)
    if state is None or not state.is_running:
        for name in end_leftovers(directory.state_file):
            console.print(f"Ended {name}, which a stack that was killed had left running.")
        console.print("Nothing is running.")
        return
    os.kill(state.supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while state.supervisor.is_alive():
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"The supervisor (process {state.supervisor.pid}) has not stopped after"
                f" {DOWN_SECONDS:.0f} s; see its terminal, or end it with `kill -9`."
            )
        time.sleep(0.05)
    console.print("Everything is stopped.")


def status(directory: StateDirectory, console: Console) -> bool:
    """Show a table of all components; whether all of them are ready."""
    state = read_state(directory.state_file)
    if state is None or not state.is_running:
        console.print("Nothing is running; start it with `make up`.")
        return False
    console.print(_table(state))
    return state.is_ready


def logs(directory: StateDirectory, component: str, *, lines: int, keep_following: bool) -> None:
    """Write the end of a component's log to standard output, and what is appended if asked for.

    Raises:
        LocalStackError: there is no such component, or it has no log yet.
    """
    if component not in NAMES:
        raise LocalStackError(f"There is no {component!r}; there are {', '.join(NAMES)}.")
    log = directory.log_of(component)
    if not log.exists():
        raise LocalStackError(f"{component} has not been started yet; start it with `make up`.")
    sys.stdout.writelines(last_lines(log, lines))
    sys.stdout.flush()
    for text in follow(log) if keep_following else ():
        sys.stdout.write(text)
        sys.stdout.flush()


def events(directory: StateDirectory, *, count: int) -> None:
    """Print so many of the newest audit events of the running stack, straight from its PostgreSQL.

    Raises:
        LocalStackError: nothing is running.
    """
    state = read_state(directory.state_file)
    if state is None or not state.is_running:
        raise LocalStackError("Nothing is running; start it with `make up`.")
    newest = f"{EVENTS} LIMIT {count}"
    postgres.execute(Path(state.runtime) / "postgres", newest, database=DATABASE)


def refuse_while_running(directory: StateDirectory) -> None:
    """Look before anybody is asked.

    Raises:
        AlreadyRunningError: the stack is running.
    """
    directory.create()
    with hold_lock(directory.lock_file):
        return


def reset(directory: StateDirectory, console: Console) -> None:
    """Delete all data and secrets of a stack that is not running.

    Raises:
        AlreadyRunningError: it is running.
    """
    directory.create()
    with hold_lock(directory.lock_file):
        end_leftovers(directory.state_file)
        directory.erase()
    console.print("Data, secrets and logs are deleted; the prepared model is kept.")


async def _with_stack(options: StackOptions, console: Console, work: Work) -> None:
    report = report_on(console)
    interrupts = Interrupts(report.say)

    async def run() -> None:
        async with running_stack(options, observers=(report,), hurry=interrupts.hurry) as stack:
            report.settle()
            await work(stack)

    with report:
        await interrupts.run(run())
    console.print("Everything is stopped.")


def _table(state: StackState) -> Table:
    table = Table(title=state.url, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("component", "state", "pid", "restarts", "for", "address"):
        table.add_column(heading, overflow="fold")
    for part in state.components:
        table.add_row(
            part.name,
            f"[{STYLES.get(part.phase, 'default')}]{part.phase}[/] {part.detail}",
            str(part.process.pid) if part.process else "",
            str(part.restarts),
            _duration(time.time() - part.since),
            part.address,
        )
    return table


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
