"""Readiness that follows a dependency: serving while it answers, not serving while it does not."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace_common.grpc_server import GrpcServer
from headrace_common.logs import get_logger

INTERVAL_SECONDS = 2.0


async def watch_dependency(
    server: GrpcServer, name: str, check: Callable[[], Awaitable[None]]
) -> None:
    """Run `check` every two seconds, at most two seconds long, and set the server's health by it.

    Any failure of `check` means that the dependency does not answer; each change is logged once.
    Runs until cancelled: give it to `Runtime.start_task`.
    """
    log = get_logger()
    serving = False
    while True:
        try:
            async with asyncio.timeout(INTERVAL_SECONDS):
                await check()
            answers = True
        except Exception as error:
            answers = False
            if serving:
                log.warning("dependency_lost", component=name, exc_info=error)
        if answers != serving:
            await server.set_serving(answers)
            serving = answers
            log.info("serving" if answers else "not_serving", component=name)
        await asyncio.sleep(INTERVAL_SECONDS)
