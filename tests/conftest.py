"""For all tests: a real PostgreSQL and a real Redis, never skipped, and a way to print figures."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from headrace_local import checks
from headrace_local.postgres import temporary_database, temporary_postgres
from headrace_local.redis import temporary_redis


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """One server for the whole run: its socket directory."""
    with temporary_postgres() as sockets:
        yield sockets


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    """A name for each database of the run."""
    return (f"test_{number}" for number in itertools.count())


@pytest.fixture
def postgres_url(postgres_server: Path, database_names: Iterator[str]) -> Iterator[str]:
    """The SQLAlchemy asyncpg URL of a database of the test's own, empty."""
    with temporary_database(postgres_server, next(database_names)) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """One server for the whole run: its URL."""
    with temporary_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of a Redis that is emptied before each test."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def free_port() -> int:
    """For a server that cannot say which port it took.

    Outside the range of outgoing connections, one of which may take pytest-asyncio's
    `unused_tcp_port` before the server does.
    """
    return checks.free_port()


@pytest.fixture
def report(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Shows measured figures in every run, not in failed ones alone."""

    def show(figures: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {figures}", end="")  # noqa: T201 - this is the report

    return show
