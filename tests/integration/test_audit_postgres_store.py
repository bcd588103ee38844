"""The PostgreSQL store passes the stores' suite, keeps every field, and tells an outage."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_audit.adapters.postgres import MIGRATIONS, SCHEMA, PostgresEventStore
from headrace_audit.adapters.rows import CHANGE_COLUMNS
from headrace_audit.domain.events import Event
from headrace_audit.testing import (
    KEY_BUDGET,
    NOW,
    EventStoreSuite,
    completion,
    failed_login,
    membership_update,
)
from headrace_common.errors import HeadraceError, Reason
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine

COST = {
    "cost_currency": "EUR",
    "cost_micros": 2**63 - 1,
    "price_version": 3,
    "charged_budgets": [
        {
            "subject": "team:t1",
            "model": None,
            "period": "month",
            "period_start": "2026-01-01T00:00:00+00:00",
        },
        {
            "subject": "api_key:key_1",
            "model": "smollm2-135m-instruct",
            "period": "day",
            "period_start": NOW.isoformat(),
        },
    ],
}
"""How the cost of `completion` lies in its row."""


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    engine = create_engine(postgres_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresEventStore:
    return PostgresEventStore(engine, timeout_seconds=10)


class TestPostgresEventStore(EventStoreSuite):
    pass


async def _row(engine: AsyncEngine, event: Event) -> dict[str, Any]:
    async with engine.connect() as connection:
        query = text("SELECT * FROM audit.events WHERE event_id = :event_id")
        result = await connection.execute(query, {"event_id": event.event_id})
        return dict(result.mappings().one())


async def test_every_field_is_kept(store: PostgresEventStore, engine: AsyncEngine) -> None:
    event = completion()
    await store.add([event], NOW)
    expected = asdict(event)
    assert expected.pop("change") is None
    expected |= expected.pop("actor") | expected.pop("model_use")
    del expected["cost"]
    expected |= COST
    expected |= {"received_at": NOW, "error_reason": None, "resource": None}
    expected |= {"change_before": None, "change_after": None}
    expected |= {name: list(expected[name]) for name in ("guard_decisions", "finish_reasons")}
    assert await _row(engine, event) == expected


async def test_costs_add_up_by_budget(store: PostgresEventStore, engine: AsyncEngine) -> None:
    whole = completion()
    assert whole.model_use is not None
    assert whole.model_use.cost is not None
    costs = [replace(whole.model_use.cost, amount_micros=micros) for micros in (1, 20, 300)]
    costs[1] = replace(costs[1], budgets=(KEY_BUDGET,))
    uses = [replace(whole.model_use, cost=cost) for cost in (*costs, None)]
    await store.add([replace(completion(), model_use=use) for use in uses], NOW)
    query = text(
        "SELECT sum(cost_micros) FROM audit.events"
        """ WHERE charged_budgets @> '[{"subject": "team:t1", "period": "month"}]'"""
    )
    async with engine.connect() as connection:
        assert (await connection.execute(query)).scalar_one() == 301


async def test_of_several_events_with_one_id_the_first_stays(
    store: PostgresEventStore, engine: AsyncEngine
) -> None:
    first = completion()
    others = [replace(first, operation=f"other {number}") for number in range(20)]
    assert await store.add([first, *others], NOW) == 1
    assert (await _row(engine, first))["operation"] == first.operation


@pytest.mark.parametrize("side", ["before", "after"])
async def test_both_sides_of_a_change_are_kept_and_an_empty_one_is_null(
    store: PostgresEventStore, engine: AsyncEngine, side: str
) -> None:
    whole, half = membership_update(), membership_update(**{f"{side}_json": ""})
    await store.add([whole, half], NOW)
    expected = {"change_before": {"role": "member"}, "change_after": {"role": "admin"}}
    assert _sides(await _row(engine, whole)) == expected
    assert _sides(await _row(engine, half)) == expected | {f"change_{side}": None}


def _sides(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in CHANGE_COLUMNS}


async def test_what_is_unknown_is_null(store: PostgresEventStore, engine: AsyncEngine) -> None:
    event = failed_login()
    await store.add([event], NOW)
    row = await _row(engine, event)
    known = {name for name, value in row.items() if value is not None}
    required = {"event_id", "kind", "occurred_at", "received_at", "writer", "request_id"}
    assert known == required | {"operation", "outcome", "error_reason"}


async def test_a_batch_that_fails_leaves_nothing_and_the_store_goes_on(
    store: PostgresEventStore, engine: AsyncEngine
) -> None:
    good = completion()
    missing: Any = None
    bad = replace(failed_login(), writer=missing)
    with pytest.raises(Exception, match="null value"):
        await store.add([good, bad], NOW)
    assert await store.add([good], NOW) == 1


async def test_killed_connections_are_replaced(
    store: PostgresEventStore, engine: AsyncEngine, postgres_url: str
) -> None:
    await asyncio.gather(*(store.add([completion()], NOW) for _ in range(5)))
    other = create_engine(postgres_url)
    async with other.connect() as connection:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        await connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        )
    await other.dispose()
    assert await store.add([completion()], NOW) == 1


async def test_a_database_that_hangs_is_unavailable_in_time(
    store: PostgresEventStore, engine: AsyncEngine
) -> None:
    impatient = PostgresEventStore(engine, timeout_seconds=0.2)
    event = completion()
    async with engine.begin() as blocker:
        await blocker.execute(text("LOCK TABLE audit.events IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(3):
            with pytest.raises(HeadraceError) as caught:
                await impatient.add([event], NOW)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert await store.add([event], NOW) == 1


async def test_an_absent_database_is_unavailable() -> None:
    engine = create_engine("postgresql+asyncpg://nobody@/none?host=/nowhere", statement_seconds=1)
    with pytest.raises(HeadraceError) as caught:
        await PostgresEventStore(engine, timeout_seconds=1).add([completion()], NOW)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert caught.value.message == "the database does not answer"
    await engine.dispose()
