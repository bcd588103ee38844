"""Asks a process of its own about grammars, and kills it when an answer takes too long."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from weakref import WeakValueDictionary

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.grammar_child import Task

CHILD = "headrace_inference.adapters.forms.grammar_child"
START_SECONDS = 20.0
STOP_SECONDS = 5.0
WAIT_SECONDS = 20.0
WAITING_LIMIT = 256
"""Of each tenant."""
LEAST_SHARE = 4
"""Of the processor a task gets at least one part in so many, or it is given up."""


class TooHeavyError(Exception):
    """The task took more time or memory than it may."""


class TenantsLine:
    """Where a tenant's tasks wait for one another."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0


class GrammarProcess:
    """One task at a time, each with `seconds` of the processor; started when first needed.

    Of each tenant one task waits in the line of all, so that many of one tenant's cannot keep
    others' away.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._tenants: WeakValueDictionary[str, TenantsLine] = WeakValueDictionary()
        self._process: Process | None = None

    async def complaint_of(self, grammar: str, tenant: str = "") -> str:
        """Why the grammar cannot be compiled; empty if it can.

        Raises TooHeavyError, or QUEUE_FULL for what had to wait too long.
        """
        return str(await self._ask({"grammar": grammar, "text": None, "whole": False}, tenant))

    async def fits(self, grammar: str, text: str, *, whole: bool, tenant: str = "") -> bool:
        """Whether a text is the grammar's, or, if it is not `whole`, may become so.

        Raises as `complaint_of`.
        """
        return bool(await self._ask({"grammar": grammar, "text": text, "whole": whole}, tenant))

    async def close(self) -> None:
        """Kill the process; a task that it has is too heavy then."""
        process, self._process = self._process, None
        if process is not None:
            await _end(process)

    async def _ask(self, task: Task, tenant: str) -> object:
        line = self._tenants.setdefault(tenant, TenantsLine())
        if line.waiting >= WAITING_LIMIT:
            raise _full()
        line.waiting += 1
        try:
            async with AsyncExitStack() as held:
                async with _waiting():
                    await held.enter_async_context(line.lock)
                    await held.enter_async_context(self._turn)
                return await self._answer(task)
        finally:
            line.waiting -= 1

    async def _answer(self, task: Task) -> object:
        process = await self._started()
        answered = False
        try:
            async with asyncio.timeout(self._seconds * LEAST_SHARE):
                line = await _asked(process, json.dumps(task))
            answered = bool(line)
        except (TimeoutError, ConnectionError) as error:
            raise TooHeavyError from error
        finally:
            if not answered:  # or its answer would be taken for the next one's
                self._process = None
                await _end(process)
        if not answered:
            raise TooHeavyError
        return json.loads(line)

    async def _started(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", CHILD, f"{self._seconds}"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        ready = b""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(START_SECONDS):
                    ready = await _read(process)
        finally:
            if not ready:
                await _end(process)
        if not ready:
            message = "the process that compiles grammars does not start"
            raise HeadraceError(Reason.ENGINE_FAILED, message)
        self._process = process
        return process


@asynccontextmanager
async def _waiting() -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            yield
    except TimeoutError as error:
        raise _full() from error


async def _asked(process: Process, line: str) -> bytes:
    if process.stdin is None:
        return b""
    process.stdin.write(line.encode() + b"\n")
    await process.stdin.drain()
    return await _read(process)


async def _read(process: Process) -> bytes:
    return await process.stdout.readline() if process.stdout is not None else b""


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


def _full() -> HeadraceError:
    return HeadraceError(
        Reason.QUEUE_FULL,
        "too many schemas and grammars wait to be compiled; try again later",
        retry_after_seconds=WAIT_SECONDS,
    )
