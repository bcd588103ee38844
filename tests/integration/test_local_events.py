"""What `make events` shows of each kind of event, from a real PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from headrace_audit.adapters.postgres import MIGRATIONS, SCHEMA, PostgresEventStore
from headrace_audit.testing import (
    NOW,
    completion,
    failed_login,
    membership_update,
    reused_refresh_token,
)
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine
from headrace_local import postgres
from headrace_local.commands import EVENTS

KEY_ID = "0198a1b2-c3d4-7e5f-8a9b-0123456789ab"
WIDEST = 160
"""Columns."""


async def test_each_event_is_a_line_with_its_operation_and_resource(
    postgres_server: Path, postgres_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    await migrate(postgres_url, MIGRATIONS, SCHEMA)
    engine = create_engine(postgres_url)
    limited = replace(
        membership_update(),
        operation="limit.create",
        resource=f"limit:key:{KEY_ID}:tokens_per_minute:",
    )
    events = [completion(), failed_login(), membership_update(), limited, reused_refresh_token()]
    await PostgresEventStore(engine, timeout_seconds=10).add(events, NOW)
    await engine.dispose()
    postgres.execute(postgres_server, EVENTS, database=make_url(postgres_url).database or "")
    lines = capfd.readouterr().out.splitlines()
    for event in events:
        [line] = [line for line in lines if f" {event.operation} " in line]
        cells = [cell.strip() for cell in line.split("|")]
        assert cells[1] == event.operation
        assert cells[2] == event.resource.replace(KEY_ID, "..456789ab")[:25]
        outcome, _, reason = cells[3].partition(": ")
        assert (outcome, reason.upper()) == (event.outcome.value, event.error_reason)
        assert len(line) <= WIDEST
