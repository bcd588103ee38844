"""Example events, and the suite that every EventStore must pass."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from headrace_audit.domain.events import (
    Actor,
    Change,
    ChargedBudget,
    Cost,
    Event,
    EventKind,
    ModelUse,
    Outcome,
)
from headrace_audit.domain.json_objects import MAXIMUM_BYTES, MAXIMUM_DIGITS, MAXIMUM_LEVELS
from headrace_audit.ports import EventStore
from headrace_common.ids import uuid7

NINES = "9" * MAXIMUM_DIGITS
EXTREME_OBJECTS = (
    "{}",
    ' \t\r\n{"": ""} ',
    r'{"a": "\ud83d\ude00"}',
    r'{"a": "\\u0000"}',
    '{"a": [1e999, -1e-1000, 0, -0.0]}',
    f'{{"a": -{NINES}.{NINES}}}',
    '{"a": %s}' % ("[" * (MAXIMUM_LEVELS - 1) + "]" * (MAXIMUM_LEVELS - 1)),
    '{"a": "%s"}' % ("x" * (MAXIMUM_BYTES - 9)),
)
"""Sides of a change that are just accepted, and that every store must therefore take."""

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

TEAM_BUDGET = ChargedBudget("team:t1", "", "month", datetime(2026, 1, 1, tzinfo=UTC))
KEY_BUDGET = ChargedBudget("api_key:key_1", "smollm2-135m-instruct", "day", NOW)


def completion() -> Event:
    """A successful model request with every field filled, and an id of its own."""
    return Event(
        event_id=UUID(uuid7(NOW)),
        kind=EventKind.COMPLETION,
        occurred_at=NOW,
        writer="gateway/gw-1",
        request_id="req_1",
        actor=Actor("user_1", "org_1", "key_1"),
        source_address="192.0.2.7",
        operation="POST /v1/chat/completions",
        outcome=Outcome.SUCCEEDED,
        error_reason="",
        http_status=200,
        resource="",
        model_use=ModelUse(
            model="smollm2-135m-instruct",
            model_version="q8_0-1",
            guard_policy_version="p1",
            guard_decisions=("prompt:private-key:flag",),
            cache_status="miss",
            prompt_tokens=12,
            completion_tokens=2**32 - 1,
            finish_reasons=("stop", "length"),
            total_time=timedelta(seconds=1.5),
            time_to_first_token=timedelta(microseconds=123456),
            queue_time=timedelta(0),
            streamed=True,
            served_model="smollm2-360m-instruct",
            cohort="canary",
            end_user="customer 7",
            cost=Cost("EUR", 2**63 - 1, 3, (TEAM_BUDGET, KEY_BUDGET)),
        ),
        change=None,
    )


def failed_login() -> Event:
    """An event with only the required fields, and an id of its own."""
    return Event(
        event_id=UUID(uuid7(NOW)),
        kind=EventKind.LOGIN,
        occurred_at=NOW,
        writer="gateway/gw-1",
        request_id="req_2",
        actor=None,
        source_address="",
        operation="POST /api/v1/auth/login",
        outcome=Outcome.REFUSED,
        error_reason="LOGIN_FAILED",
        http_status=0,
        resource="",
        model_use=None,
        change=None,
    )


def membership_update(
    before_json: str = '{"role": "member"}', after_json: str = '{"role": "admin"}'
) -> Event:
    """A change, with an id of its own."""
    return Event(
        event_id=UUID(uuid7(NOW)),
        kind=EventKind.CHANGE,
        occurred_at=NOW,
        writer="auth/auth-1",
        request_id="req_3",
        actor=Actor("user_1", "org_1", "token_1"),
        source_address="192.0.2.7",
        operation="membership.update",
        outcome=Outcome.SUCCEEDED,
        error_reason="",
        http_status=0,
        resource="user:user_2",
        model_use=None,
        change=Change(before_json, after_json),
    )


def reused_refresh_token() -> Event:
    """A security event, with an id of its own."""
    return replace(
        failed_login(),
        kind=EventKind.SECURITY,
        writer="auth/auth-1",
        operation="refresh_token_reused",
        error_reason="CREDENTIAL_INVALID",
        resource="session:session_1",
    )


class EventStoreSuite:
    """Subclasses in test modules provide a fixture `store`."""

    async def test_new_events_are_counted(self, store: EventStore) -> None:
        events = [completion(), failed_login(), membership_update(), reused_refresh_token()]
        assert await store.add(events, NOW) == 4

    async def test_every_side_of_a_change_that_the_rules_accept_is_taken(
        self, store: EventStore
    ) -> None:
        changes = [membership_update(text, text) for text in EXTREME_OBJECTS]
        assert await store.add(changes, NOW) == len(EXTREME_OBJECTS)

    async def test_a_batch_that_comes_again_adds_nothing(self, store: EventStore) -> None:
        batch = [completion() for _ in range(5)]
        assert await store.add(batch, NOW) == 5
        assert await store.add(batch, NOW) == 0

    async def test_of_an_overlapping_batch_the_rest_is_added(self, store: EventStore) -> None:
        batch = [completion() for _ in range(5)]
        await store.add(batch[:3], NOW)
        assert await store.add(batch[::-1], NOW) == 2

    async def test_an_event_that_stands_twice_in_a_batch_counts_once(
        self, store: EventStore
    ) -> None:
        event = completion()
        assert await store.add([event, event], NOW) == 1

    async def test_the_same_batch_from_many_callers_is_added_once(self, store: EventStore) -> None:
        batch = [completion() for _ in range(50)]
        reversed_batch = batch[::-1]
        added = await asyncio.gather(
            *(store.add(batch if n % 2 else reversed_batch, NOW) for n in range(8))
        )
        assert sum(added) == 50
