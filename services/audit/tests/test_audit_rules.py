"""Which events the audit accepts, and that a refusal names the event and the field."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.domain.events import Cost, Event
from headrace_audit.domain.json_objects import MAXIMUM_BYTES
from headrace_audit.domain.rules import MAXIMUM_CHARACTERS, MAXIMUM_EVENTS, MAXIMUM_ITEMS
from headrace_audit.ledger import Ledger
from headrace_audit.testing import (
    KEY_BUDGET,
    completion,
    failed_login,
    membership_update,
    reused_refresh_token,
)
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


def _with_actor(**changes: Any) -> Event:
    event = completion()
    assert event.actor is not None
    return replace(event, actor=replace(event.actor, **changes))


def _with_use(**changes: Any) -> Event:
    event = completion()
    assert event.model_use is not None
    return replace(event, model_use=replace(event.model_use, **changes))


def _with_cost(**changes: Any) -> Event:
    return _with_use(cost=replace(COST, **changes))


COST = Cost("EUR", 0, 1, (KEY_BUDGET,))
LONG = "x" * (MAXIMUM_CHARACTERS + 1)

REFUSED = [
    (replace(completion(), event_id=uuid4()), "event_id"),
    (replace(completion(), writer=""), "writer"),
    (replace(completion(), request_id=""), "request_id"),
    (replace(completion(), operation=""), "operation"),
    (replace(completion(), http_status=99), "http_status"),
    (replace(completion(), http_status=600), "http_status"),
    (replace(completion(), request_id=LONG), "request_id"),
    (replace(completion(), source_address="a\0b"), "source_address"),
    (replace(completion(), resource=LONG), "resource"),
    (_with_actor(organization_id="\0"), "actor.organization_id"),
    (_with_actor(credential_id=LONG), "actor.credential_id"),
    (_with_use(model="\0"), "model_use.model"),
    (_with_use(guard_decisions=("fine", LONG)), "model_use.guard_decisions[1]"),
    (_with_use(guard_decisions=("",) * (MAXIMUM_ITEMS + 1)), "model_use.guard_decisions"),
    (_with_use(finish_reasons=("stop", "\0")), "model_use.finish_reasons[1]"),
    (_with_use(queue_time=timedelta(microseconds=-1)), "model_use.queue_time"),
    (_with_use(end_user=LONG), "model_use.end_user"),
    (_with_use(cohort="\0"), "model_use.cohort"),
    (_with_cost(currency=LONG), "model_use.cost.currency"),
    (_with_cost(amount_micros=2**63), "model_use.cost.amount_micros"),
    (_with_cost(budgets=(KEY_BUDGET,) * (MAXIMUM_ITEMS + 1)), "model_use.cost.budgets"),
    (
        _with_cost(budgets=(KEY_BUDGET, replace(KEY_BUDGET, subject="\0"))),
        "model_use.cost.budgets[1].subject",
    ),
    (membership_update(before_json="[]"), "change.before_json"),
    (membership_update(after_json='{"role": '), "change.after_json"),
    (membership_update(after_json=f'{{"a": "{LONG * 32}"}}'), "change.after_json"),
]


@pytest.fixture
def store() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
def ledger(store: MemoryEventStore) -> Ledger:
    return Ledger(store, FakeClock())


@pytest.mark.parametrize(("event", "field"), REFUSED, ids=[field for _, field in REFUSED])
async def test_a_refusal_names_the_event_and_stores_nothing_of_the_batch(
    ledger: Ledger, store: MemoryEventStore, event: Event, field: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await ledger.record([completion(), failed_login(), event, completion()])
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == f"events[2].{field}"
    assert caught.value.message.startswith(f"events[2].{field} ")
    assert store.events == ()


@pytest.mark.parametrize(
    "event",
    [
        completion(),
        failed_login(),
        _with_actor(user_id="", credential_id=""),
        _with_use(model_version="", finish_reasons=(), total_time=None),
        _with_use(served_model="", cohort="", end_user="", cost=None),
        _with_cost(amount_micros=2**63 - 1, budgets=()),
        replace(completion(), request_id="\N{GRINNING FACE}" * MAXIMUM_CHARACTERS),
        replace(completion(), http_status=599),
        membership_update(),
        membership_update(before_json=""),
        membership_update(after_json=""),
        membership_update(before_json='{"a": "%s"}' % ("x" * (MAXIMUM_BYTES - 9))),
        reused_refresh_token(),
    ],
)
async def test_whatever_can_be_stored_is_accepted(ledger: Ledger, event: Event) -> None:
    assert await ledger.record([event]) == 1


@pytest.mark.parametrize("count", [0, MAXIMUM_EVENTS + 1])
async def test_a_batch_has_a_size(ledger: Ledger, count: int) -> None:
    with pytest.raises(HeadraceError) as caught:
        await ledger.record([completion()] * count)
    assert caught.value.param == "events"
    assert await ledger.record([completion()] * MAXIMUM_EVENTS) == 1
