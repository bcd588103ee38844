"""The pool for single SELECTs: what comes back, over how many connections, and to whom."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asyncpg import DataError
from sqlalchemy import Float, Integer, Uuid, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_common.errors import HeadraceError, Reason
from headrace_common.postgres import create_engine
from headrace_common.postgres_reads import Query, ReadPool

ID = "01900000-0000-7000-8000-00000000000a"
SIZE = 3
SLOW = Query.of(
    select(
        bindparam("number", type_=Integer).label("number"),
        func.pg_backend_pid().label("process"),
        func.pg_sleep(bindparam("seconds", type_=Float)),
    )
)


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def pool(engine: AsyncEngine) -> AsyncIterator[ReadPool]:
    pool = ReadPool(engine, size=SIZE, timeout_seconds=2)
    yield pool
    await pool.close()


async def ask(pool: ReadPool, number: int, seconds: float = 0.0) -> int:
    """Which process of PostgreSQL answered."""
    row = await pool.fetch_one(SLOW, number=number, seconds=seconds)
    assert row is not None
    assert row["number"] == number
    process: int = row["process"]
    return process


async def test_values_come_as_sqlalchemy_brings_them(pool: ReadPool) -> None:
    statement = select(
        cast(bindparam("id"), Uuid(as_uuid=False)).label("id"),
        cast(literal({"a": [1, None]}, JSONB), JSONB).label("json"),
    )
    row = await pool.fetch_one(Query.of(statement), id=ID)
    assert row is not None
    assert dict(row) == {"id": ID, "json": {"a": [1, None]}}


async def test_no_row_is_none(pool: ReadPool) -> None:
    assert await pool.fetch_one(Query.of(select(literal(1)).where(literal(1) == 2))) is None


async def test_questions_one_after_the_other_share_a_connection(pool: ReadPool) -> None:
    assert len({await ask(pool, number) for number in range(5)}) == 1


async def test_questions_at_once_share_as_many_as_there_are(pool: ReadPool) -> None:
    processes = await asyncio.gather(*(ask(pool, number, 0.02) for number in range(5 * SIZE)))
    assert len(set(processes)) == SIZE


async def test_a_late_answer_goes_to_nobody(pool: ReadPool) -> None:
    first = await ask(pool, 1)
    waiting = asyncio.create_task(ask(pool, 2, 1.0))
    await asyncio.sleep(0)  # it has asked
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await ask(pool, 3) != first


async def test_a_deadline_is_an_outage_and_frees_its_place(engine: AsyncEngine) -> None:
    pool = ReadPool(engine, size=1, timeout_seconds=0.3)
    for _ in range(2):
        with pytest.raises(HeadraceError) as caught:
            await ask(pool, 1, 5.0)
        assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    await ask(pool, 2)
    await pool.close()


async def test_who_meets_an_ended_connection_is_answered_over_another(
    engine: AsyncEngine, pool: ReadPool
) -> None:
    before = set(await asyncio.gather(*(ask(pool, number, 0.02) for number in range(SIZE))))
    async with engine.connect() as connection:
        for process in before:
            await connection.exec_driver_sql(f"SELECT pg_terminate_backend({process}, 5000)")
    # asyncio.gather begins before the event loop has seen any of the ends.
    after = await asyncio.gather(*(ask(pool, number) for number in range(3 * SIZE)))
    assert before.isdisjoint(after)


async def test_a_question_that_is_wrong_in_itself_is_no_outage(pool: ReadPool) -> None:
    statement = select(cast(bindparam("id"), Uuid(as_uuid=False)).label("id"))
    with pytest.raises(DataError):
        await pool.fetch_one(Query.of(statement), id="not a uuid")
    await ask(pool, 1)


async def test_a_closed_pool_leaves_no_connection(engine: AsyncEngine) -> None:
    pool = ReadPool(engine, size=SIZE, timeout_seconds=2)
    process = await ask(pool, 1)
    await pool.close()
    async with engine.connect() as connection, asyncio.timeout(5):
        query = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {process}"
        while left := (await connection.exec_driver_sql(query)).scalar():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert left == 0
