"""PostgreSQL as every service uses it: engine, start, readiness, failures."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import asyncpg
from sqlalchemy import URL, exc, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_server import GrpcServer
from headrace_common.health import watch_dependency
from headrace_common.logs import get_logger

FAILURES = (
    OSError,
    exc.DBAPIError,
    exc.TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What SQLAlchemy and asyncpg raise, deadlines included (TimeoutError is an OSError)."""

OWN_FAULT_CLASSES = ("22", "23", "42")
"""SQLSTATE classes (data, integrity, syntax or access) that a statement of ours brings about."""

CLOSE_SECONDS = 0.1
"""How long an abandoned connection may take to say good-bye before it is cut."""


class _Connection(asyncpg.Connection):
    """Gives up a server that hangs soon enough for its caller's deadline."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002
        # SQLAlchemy closes a connection whose use was cut short, politely for 2 s, while its user
        # waits; when this fails it aborts the connection.
        await super().close(timeout=CLOSE_SECONDS)


def create_engine(
    url: str | URL, *, pool_size: int = 10, statement_seconds: float = 5.0
) -> AsyncEngine:
    """An engine whose connections are checked before use and whose statements have a deadline."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=statement_seconds,
        pool_pre_ping=True,
        connect_args={
            "timeout": statement_seconds,
            "command_timeout": statement_seconds,
            "connection_class": _Connection,
        },
        hide_parameters=True,
    )


async def wait_for_database(url: str, *, seconds: float = 60.0) -> None:
    """Return once the database answers; one that is still starting is asked again.

    Raises HeadraceError with DEPENDENCY_UNAVAILABLE if it does not answer within `seconds`.
    """
    engine = create_engine(url, pool_size=1)
    target = make_url(url).render_as_string()  # with the password masked
    log = get_logger()
    attempt = 0
    try:
        async with asyncio.timeout(seconds):
            while (failure := await _failure_of(engine)) is not None:
                attempt += 1
                reason = type(driver_error(failure)).__name__
                log.warning("waiting_for_database", target=target, reason=reason, attempt=attempt)
                await asyncio.sleep(pause_seconds(attempt))
    except TimeoutError as error:
        raise HeadraceError(
            Reason.DEPENDENCY_UNAVAILABLE,
            f"the database did not answer within {seconds:g} s of the start",
        ) from error
    finally:
        await engine.dispose()


def pause_seconds(attempt: int) -> float:
    """Between two looks at what is not there yet: doubled each time, up to two seconds.

    Without a bound of the power, a wait of half an hour would end in an OverflowError.
    """
    return min(0.1 * 2.0 ** min(attempt, 30), 2.0)


async def watch_database(engine: AsyncEngine, server: GrpcServer) -> None:
    """Keep the server's readiness equal to whether the database answers, until cancelled.

    Start it after the server, so that it ends before the server drains. It asks over a connection
    of its own, for a pool that is merely busy is no outage.
    """
    probe = create_engine(engine.url, pool_size=1)
    try:
        await watch_dependency(server, "postgresql", partial(_ask, probe))
    finally:
        await probe.dispose()


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise HeadraceError with DEPENDENCY_UNAVAILABLE where the database fails inside the block.

    A statement's own faults (constraint, data, syntax) pass through unchanged.
    """
    try:
        yield
    except FAILURES as error:
        if _is_own_fault(error):
            raise
        raise HeadraceError(
            Reason.DEPENDENCY_UNAVAILABLE, "the database does not answer", retry_after_seconds=1
        ) from error


def _is_own_fault(error: BaseException) -> bool:
    error = driver_error(error)
    # asyncpg reports values that it cannot encode as ValueError, before the server sees them.
    state = str(getattr(error, "sqlstate", ""))
    return isinstance(error, ValueError) or state.startswith(OWN_FAULT_CLASSES)


def driver_error(error: BaseException) -> BaseException:
    """The driver's own error, which SQLAlchemy wraps twice."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


async def _ask(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def _failure_of(engine: AsyncEngine) -> Exception | None:
    try:
        await _ask(engine)
    except FAILURES as failure:
        return failure
    return None
