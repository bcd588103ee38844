"""The whole stack in the background of a test or a benchmark, ways to break it, an observer."""

import asyncio
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from anyio.from_thread import start_blocking_portal

from headrace_local.components import Component
from headrace_local.stack import Stack, StackOptions, running_stack
from headrace_local.status import Status
from headrace_local.supervisor import Supervisor

# What the fixtures `tiny` and `supervise` of local/tests make.
Tiny = Callable[..., Component]
Supervise = Callable[..., Supervisor]


@contextmanager
def temporary_stack(**options: Any) -> Iterator[Stack]:
    """A stack in the background, on any free port, whose state is in a folder that vanishes.

    `options` are those of StackOptions, without `state` and `port`.
    """
    # Not pytest's own folder: another pytest of the same user may close it for PostgreSQL's user.
    with (
        tempfile.TemporaryDirectory(prefix="headrace-temporary-") as state,
        start_blocking_portal() as portal,  # the thread that supervises it
        portal.wrap_async_context_manager(
            running_stack(StackOptions(state=Path(state), port=0, **options))
        ) as stack,
    ):
        yield stack


def processes(stack: Stack, component: str) -> list[psutil.Process]:
    """The component's process first, then all that it started; empty while there is none."""
    identity = stack.supervisor.status(component).process
    if identity is None:
        return []
    try:
        leader = psutil.Process(identity.pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(stack: Stack, component: str) -> None:
    """`kill -9`; the supervisor starts the component again."""
    processes(stack, component)[0].send_signal(signal.SIGKILL)


def terminate(stack: Stack, component: str) -> None:
    """SIGTERM, as Kubernetes sends it; the supervisor starts the component again."""
    processes(stack, component)[0].send_signal(signal.SIGTERM)


@contextmanager
def frozen(stack: Stack, *components: str) -> Iterator[None]:
    """Stop (SIGSTOP) all processes of the components for the length of the block."""
    with ExitStack() as thaw:
        for component in components:
            thaw.enter_context(suspended(processes(stack, component)[0]))
        yield


@contextmanager
def suspended(leader: psutil.Process) -> Iterator[None]:
    """Stop (SIGSTOP) a process and all that it started for the length of the block."""
    with ExitStack() as thaw:
        thaw.callback(leader.resume)
        leader.suspend()  # first, so that it starts no more children
        for child in leader.children(recursive=True):
            thaw.callback(_unless_ended, child.resume)
            _unless_ended(child.suspend)
        yield


def _unless_ended(act: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):  # children end when they like
        act()


class Recorder:
    """An observer whose news can be awaited."""

    def __init__(self) -> None:
        self.history: list[Status] = []
        self.sentences: list[str] = []
        self._news = asyncio.Event()

    def changed(self, status: Status) -> None:
        self.history.append(status)
        self._news.set()

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    async def until(self, wanted: Callable[[Status], bool], deadline: float = 20) -> Status:
        """The first status that is wanted, of those seen and those to come."""
        async with asyncio.timeout(deadline):
            while True:
                for status in self.history:
                    if wanted(status):
                        return status
                self._news.clear()
                await self._news.wait()
