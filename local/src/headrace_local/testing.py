"""The whole stack for tests that are not asynchronous themselves, and ways to break it."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
from anyio.from_thread import start_blocking_portal

from headrace_local.stack import Stack, StackOptions, running_stack


@contextmanager
def stack_in_background(options: StackOptions) -> Iterator[Stack]:
    """Run a stack beside the test, in a thread of its own that supervises it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_stack(options)) as stack,
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
            for process in processes(stack, component):
                thaw.callback(process.resume)
                process.suspend()
        yield
