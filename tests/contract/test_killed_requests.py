"""Wherever a gateway is killed, the budget has spent what the audit says that its requests cost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from headrace_audit.adapters.memory import MemoryEventStore
from headrace_audit.app import build
from headrace_audit.domain.events import Event
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_common.spool import Delivery, Spool
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.audit_events import AuditClient, SpoolEventLog
from headrace_gateway.domain.admission import Demand, Holding, Settlement
from headrace_gateway.domain.completion import Delta, ModelVersion, Started
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.principal import ModelPrice, PriceTable
from headrace_gateway.http.errors import status_of
from headrace_gateway.stages.killed import settle_killed
from headrace_gateway.testing.gateway import PRINCIPAL
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.limiter_suite import LEASE_SECONDS
from headrace_gateway.testing.reservation_suite import BUDGET, WIDE, costing, left

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PRICES = PriceTable(7, "EUR", (ModelPrice("echo", 1_000_000, 10_000_000),))
PROMPT, WORD = 3, 10
"""Millionths."""
STEPS = ("admitted", "noted", "begun", "renewed", "noted again", "ended", "settled", "recorded")
COSTS = (0, 0, 0, 0, PROMPT + WORD, *(3 * [PROMPT + 2 * WORD]))
"""What is spent if the gateway is killed right after each step, and comes back."""


class Life:
    """One process of the gateway, from its start until it is killed."""

    def __init__(self, directory: Path, limiter: FakeLimiter) -> None:
        self.limiter = limiter
        self.spool = Spool(directory, clock=FakeClock(), registry=CollectorRegistry())
        self.log = SpoolEventLog(self.spool, "gateway/gw-1", status_of)

    async def settle_killed(self) -> None:
        await settle_killed(self.log.unsettled(), self.limiter)

    def kill(self) -> None:
        """As far as the disk is concerned."""
        self.spool.close()

    async def record_unsettled(self, request_id: str) -> Settlement:
        """As while the limiter does not answer: the settlement is to be made later."""
        demand = costing(300, request_id, BUDGET, WIDE)
        exchange = _exchange(demand)
        exchange.admission = await self.limiter.admit(PRINCIPAL, demand)
        entry = self.log.open()
        entry.note(exchange, 0.5)
        exchange.note(Started(ModelVersion("echo", "v1"), 0.0, PROMPT), 0.5)
        exchange.succeed()
        entry.note_end(exchange, 0.75)
        entry.record(exchange, 1.0)
        return Settlement(demand, None, 0, exchange.cost_micros, entry.settled)

    async def answer(self, demand: Demand, until: str) -> None:
        """As the pipeline does, step by step; a word is said between any two notes."""
        exchange = _exchange(demand)
        exchange.admission = await self.limiter.admit(PRINCIPAL, demand)
        entry = self.log.open()
        for step in STEPS[1 : STEPS.index(until) + 1]:
            match step:
                case "noted" | "noted again":
                    entry.note(exchange, 0.5)
                case "begun":
                    exchange.note(Started(ModelVersion("echo", "v1"), 0.0, PROMPT), 0.5)
                    exchange.note(Delta(0, "word", tokens=1), 0.5)
                case "renewed":
                    await self.limiter.renew([Holding(demand, exchange.cost_micros)])
                case "ended":
                    exchange.note(Delta(0, " word", tokens=1), 0.5)
                    exchange.succeed()
                    entry.note_end(exchange, 0.75)
                case "settled":
                    micros = exchange.cost_micros
                    settlement = Settlement(demand, exchange.admission, 0, micros, entry.settled)
                    await self.limiter.settle(settlement)
                case "recorded":
                    entry.record(exchange, 1.0)


def _exchange(demand: Demand) -> Exchange:
    exchange = Exchange(
        request_id=demand.request_id,
        activity=Activity.COMPLETION,
        operation="POST /v1/chat/completions",
        source_address="192.0.2.7",
        credential="hr_secret",
        occurred_at=NOW,
        started=0.0,
        principal=replace(PRINCIPAL, organization_id="o1", prices=PRICES),
    )
    exchange.model, exchange.price, exchange.demand = "echo", PRICES.prices[0], demand
    return exchange


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limiter(clock: FakeClock) -> FakeLimiter:
    return FakeLimiter(clock, lease_seconds=LEASE_SECONDS)


@pytest.fixture
def stored() -> MemoryEventStore:
    return MemoryEventStore()


@pytest.fixture
async def audit(stored: MemoryEventStore) -> AsyncIterator[grpc.aio.Channel]:
    servicer = build(store=stored, registry=CollectorRegistry(), clock=FakeClock())
    async with serving([servicer.registration()]) as channel:
        yield channel


async def _deliver(spool: Spool, audit: grpc.aio.Channel) -> None:
    await Delivery(spool, AuditClient(audit).send).flush(5)
    assert spool.backlog.records == 0


def _cost(event: Event) -> int:
    assert event.model_use is not None
    assert event.model_use.cost is not None
    assert [each.subject for each in event.model_use.cost.budgets] == ["team:t1", "organization:o1"]
    return event.model_use.cost.amount_micros


@pytest.mark.parametrize("reclaimed", [False, True], ids=["back at once", "back after the lease"])
@pytest.mark.parametrize(("step", "cost"), [*zip(STEPS, COSTS, strict=True)])
async def test_budget_and_audit_tell_the_same_wherever_the_kill_comes(
    tmp_path: Path,
    clock: FakeClock,
    limiter: FakeLimiter,
    audit: grpc.aio.Channel,
    stored: MemoryEventStore,
    step: str,
    cost: int,
    reclaimed: bool,
) -> None:
    demand = costing(500, uuid7(NOW), BUDGET, WIDE)
    before = Life(tmp_path, limiter)
    await before.answer(demand, until=step)
    before.kill()
    if reclaimed:
        clock.advance(LEASE_SECONDS + 1)
        assert await left(limiter) >= 1000 - PROMPT - 2 * WORD  # it has been given back
    after = Life(tmp_path, limiter)
    await after.settle_killed()
    await _deliver(after.spool, audit)
    clock.advance(LEASE_SECONDS + 1)  # of whoever was killed before it had noted anything
    assert (await left(limiter), await left(limiter, WIDE)) == (1000 - cost, 1500 - cost)
    assert sum(map(_cost, stored.events)) == cost
    after.kill()


async def test_an_interrupted_event_tells_what_was_noted_last(
    tmp_path: Path, limiter: FakeLimiter, audit: grpc.aio.Channel, stored: MemoryEventStore
) -> None:
    before = Life(tmp_path, limiter)
    await before.answer(costing(500, uuid7(NOW), BUDGET, WIDE), until="noted again")
    before.kill()
    after = Life(tmp_path, limiter)
    await _deliver(after.spool, audit)
    [event] = stored.events
    assert event.error_reason == "INTERRUPTED"
    assert event.model_use is not None
    assert (event.model_use.prompt_tokens, event.model_use.completion_tokens) == (PROMPT, 1)
    assert (event.model_use.served_model, event.model_use.model_version) == ("echo", "v1")
    assert _cost(event) == PROMPT + WORD
    after.kill()


async def test_what_waits_to_be_settled_stays_noted_until_it_is(
    tmp_path: Path, limiter: FakeLimiter, audit: grpc.aio.Channel, stored: MemoryEventStore
) -> None:
    before = Life(tmp_path, limiter)
    waiting = [await before.record_unsettled(uuid7(NOW)) for _ in range(2)]
    await limiter.settle(waiting[0])
    assert len(before.spool.kept) == 1
    await _deliver(before.spool, audit)
    before.kill()
    assert await left(limiter) == 1000 - PROMPT - 300
    after = Life(tmp_path, limiter)
    await after.settle_killed()
    await _deliver(after.spool, audit)
    assert await left(limiter) == 1000 - 2 * PROMPT
    assert [_cost(event) for event in stored.events] == [PROMPT, PROMPT]
    assert {event.error_reason for event in stored.events} == {""}
    after.kill()


async def test_a_process_that_is_killed_before_it_has_settled_leaves_it_to_the_next(
    tmp_path: Path, limiter: FakeLimiter, audit: grpc.aio.Channel, stored: MemoryEventStore
) -> None:
    before = Life(tmp_path, limiter)
    for _ in range(3):
        await before.answer(costing(200, uuid7(NOW), BUDGET, WIDE), until="noted again")
    before.kill()
    limiter.unavailable = True
    starting = Life(tmp_path, limiter)
    settling = asyncio.create_task(starting.settle_killed())
    await _deliver(starting.spool, audit)
    settling.cancel()
    await asyncio.wait([settling])
    starting.kill()
    limiter.unavailable = False
    assert await left(limiter) == 1000 - 3 * 200
    after = Life(tmp_path, limiter)
    await after.settle_killed()
    await _deliver(after.spool, audit)
    assert await left(limiter) == 1000 - 3 * (PROMPT + WORD)
    assert sum(map(_cost, stored.events)) == 3 * (PROMPT + WORD)
    assert len(stored.events) == 3
    assert after.log.unsettled() == []
    after.kill()


class Hesitant(FakeLimiter):
    """Does not answer the first time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked = 0

    async def settle(self, settlement: Settlement) -> None:
        self.asked += 1
        if self.asked == 1:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "Redis does not answer")
        await super().settle(settlement)


async def test_a_limiter_that_does_not_answer_is_asked_again(
    tmp_path: Path, clock: FakeClock
) -> None:
    limiter = Hesitant(clock)
    before = Life(tmp_path, limiter)
    await before.answer(costing(500, uuid7(NOW), BUDGET, WIDE), until="noted again")
    before.kill()
    after = Life(tmp_path, limiter)
    async with asyncio.timeout(10):
        await after.settle_killed()
    assert (limiter.asked, await left(limiter)) == (2, 1000 - PROMPT - WORD)
    assert after.log.unsettled() == []
    after.kill()


async def test_what_is_no_event_is_forgotten(tmp_path: Path, limiter: FakeLimiter) -> None:
    before = Life(tmp_path, limiter)
    before.spool.reserve().note(b"\xff\xff")
    before.kill()
    after = Life(tmp_path, limiter)
    await after.settle_killed()
    assert after.log.unsettled() == []
    after.kill()
