"""The whole stack for tests that are not asynchronous themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from headrace_local.access import Access
from headrace_local.stack import StackOptions, running_stack


@contextmanager
def stack_in_background(options: StackOptions) -> Iterator[Access]:
    """Run a stack beside the test, in a thread of its own that supervises it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_stack(options)) as stack,
    ):
        yield stack.access
