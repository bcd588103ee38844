"""What running requests hold, for how long, and that nothing of it stays behind at any stage."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget, MemoryAnswerStore
from headrace_gateway.domain.admission import Admission, Charge, Demand, Settlement
from headrace_gateway.domain.budgets import period_of
from headrace_gateway.domain.completion import (
    Answer,
    CompletionRequest,
    Delta,
    Events,
    Finished,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    ModelPrice,
    PriceTable,
    Principal,
    Tier,
)
from headrace_gateway.ports import AnswerKey
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.reservation_suite import costing

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
PLACES = Limit(LimitKind.CONCURRENT_REQUESTS, "organization:org_1", 2)
TOKENS = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 10_000)
BUDGET = Budget("organization:org_1", 100_000, "EUR", BudgetPeriod.DAY, "UTC")
PRICES = PriceTable(1, "EUR", (ModelPrice("echo", 1_000_000, 10_000_000),))
LIMITED = replace(PRINCIPAL, limits=(TOKENS, PLACES), budgets=(BUDGET,), prices=PRICES)


class Door:
    """Where a test holds whoever passes, and learns that somebody waits."""

    def __init__(self) -> None:
        self.closed_at = ""
        self.arrivals = asyncio.Semaphore(0)
        self.opened = asyncio.Event()

    async def pass_by(self, place: str) -> None:
        if self.closed_at == place:
            self.arrivals.release()
            await self.opened.wait()


class HoldingTarget(EchoTarget):
    """Answers `hi`, and may be held wherever it has something to say."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        model = ModelVersion("echo", "v1")
        await self._door.pass_by("queue")
        yield Started(model, queue_seconds=0.0, prompt_tokens=7)
        await self._door.pass_by("prompt")
        yield Delta(0, "hi", tokens=1)
        await self._door.pass_by("answer")
        yield Finished(model, ("stop",), 7, 1)


class HoldingLimiter(FakeLimiter):
    """May be held before it has decided, and after, while its answer is on the way."""

    held_by: Door

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        await self.held_by.pass_by("before admission")
        admission = await super().admit(principal, demand)
        await self.held_by.pass_by("after admission")
        return admission


class HoldingStore(MemoryAnswerStore):
    """May be held while it looks up and while it stores."""

    held_by: Door

    async def look_up(self, key: AnswerKey) -> Answer | None:
        await self.held_by.pass_by("look up")
        return await super().look_up(key)

    async def store(self, key: AnswerKey, answer: Answer) -> None:
        await self.held_by.pass_by("store")
        await super().store(key, answer)


@dataclass(slots=True)
class World:
    """A gateway whose parts can be held."""

    gateway: Gateway
    door: Door

    async def hang_up_at(self, place: str, **fields: Any) -> None:
        """Ask, and leave once the request has reached `place`."""
        self.door.closed_at = place
        gone = asyncio.Event()
        running = asyncio.create_task(self._ask(gone, fields))
        async with asyncio.timeout(10):
            await self.door.arrivals.acquire()
            gone.set()
            await running
        self.door.closed_at = ""

    async def _ask(self, gone: asyncio.Event, fields: dict[str, Any]) -> None:
        body = json.dumps(BODY | fields).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(_message: Any) -> None:
            return

        scope = {
            "type": "http",
            "method": "POST",
            "path": CHAT,
            "raw_path": CHAT.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"authorization", f"Bearer {KEY}".encode())],
            "client": ("192.0.2.7", 1234),
            "server": ("gateway", 80),
            "scheme": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
        }
        await self.gateway.app(scope, receive, send)

    async def expect_nothing_reserved(self, *, spent: int, tokens: int) -> None:
        """All places are free, and of money and of tokens only what was used is gone."""
        today = period_of(BudgetPeriod.DAY, "UTC", self.gateway.clock.now())
        looking = costing(0, "looking", BUDGET, period=today)
        charges = (Charge(TOKENS, 0), Charge(PLACES, 1))
        wanted = replace(looking, organization_id="org_1", charges=charges)
        admission = await self.gateway.limiter.admit(PRINCIPAL, wanted)
        await self.gateway.limiter.settle(Settlement(wanted, admission, 0, 0))
        [rate, places] = admission.states
        assert (places.remaining, rate.remaining) == (PLACES.amount - 1, TOKENS.amount - tokens)
        assert admission.budget_states[0].remaining_micros == BUDGET.amount_micros - spent


@pytest.fixture
async def world() -> AsyncIterator[World]:
    door, clock = Door(), FakeClock()
    limiter, answers = HoldingLimiter(clock), HoldingStore()
    limiter.held_by = answers.held_by = door
    target = HoldingTarget(door)
    async with running_gateway(target, clock=clock, limiter=limiter, answers=answers) as gateway:
        gateway.accounts.principals[KEY] = LIMITED
        yield World(gateway, door)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("place", "spent", "tokens"),
    [
        ("before admission", 0, 0),
        # Whether a rate was charged is not known then; by itself it is whole again in a minute.
        ("after admission", 0, 261),
        ("look up", 0, 0),
        ("queue", 0, 0),
        ("prompt", 7, 7),
        ("answer", 17, 8),
        ("store", 17, 8),
    ],
)
async def test_a_hang_up_leaves_nothing_reserved(
    world: World, place: str, spent: int, tokens: int, stream: bool
) -> None:
    await world.hang_up_at(place, stream=stream)
    [exchange] = world.gateway.events.exchanges
    assert exchange.outcome is Outcome.CANCELLED
    await world.expect_nothing_reserved(spent=spent, tokens=tokens)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "none"}, 404),
        ({"messages": [{"role": "user", "content": "AKIA" + "Q" * 16}]}, 400),
        ({"max_tokens": 9_900}, 429),
        ({"max_tokens": 50_000}, 429),
        ({}, 200),
    ],
)
async def test_refused_or_answered_nothing_stays_reserved(
    world: World, change: dict[str, Any], status: int
) -> None:
    if status == 429:
        world.gateway.accounts.principals[KEY] = replace(
            LIMITED, budgets=(replace(BUDGET, amount_micros=1_000),)
        )
    response = await world.gateway.client.post(CHAT, json=BODY | change)
    assert response.status_code == status
    used = (17, 8) if status == 200 else (0, 0)
    await world.expect_nothing_reserved(spent=used[0], tokens=used[1])


async def test_as_many_requests_are_in_flight_as_may_be_and_no_more(world: World) -> None:
    client, door = world.gateway.client, world.door
    door.closed_at = "queue"
    held = [
        asyncio.create_task(client.post(CHAT, json=BODY | {"seed": seed}))
        for seed in range(PLACES.amount)
    ]
    async with asyncio.timeout(10):
        for _ in held:
            await door.arrivals.acquire()
        refused = await client.post(CHAT, json=BODY)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert refused.json()["error"]["message"] == (
            "This organization has 2 requests in flight, as many as it may."
        )
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/v1/models")).status_code == 200
        door.opened.set()
        assert [(await answer).status_code for answer in held] == [200] * PLACES.amount
        assert (await client.post(CHAT, json=BODY)).status_code == 200


async def test_a_long_answer_keeps_what_it_holds_as_long_as_its_gateway_lives(
    world: World,
) -> None:
    gateway, door = world.gateway, world.door
    door.closed_at = "answer"
    answer = asyncio.create_task(gateway.client.post(CHAT, json=BODY))
    async with asyncio.timeout(10):
        await door.arrivals.acquire()
        for _ in range(5):
            gateway.clock.advance(20)
            await gateway.leases.renew()
        assert gateway.limiter.in_flight() == 1
        door.opened.set()
        assert (await answer).status_code == 200
    await world.expect_nothing_reserved(spent=17, tokens=0)


async def test_what_a_dead_gateway_held_is_free_after_a_lease(world: World) -> None:
    gateway, door = world.gateway, world.door
    door.closed_at = "answer"
    answer = asyncio.create_task(gateway.client.post(CHAT, json=BODY))
    async with asyncio.timeout(10):
        await door.arrivals.acquire()
        await gateway.leases.renew()
        gateway.clock.advance(60)  # nobody renews
        await world.expect_nothing_reserved(spent=17, tokens=0)
        door.opened.set()
        await answer
    await world.expect_nothing_reserved(spent=17, tokens=0)


async def test_a_gateway_that_stalled_holds_its_money_again(world: World) -> None:
    gateway, door = world.gateway, world.door
    door.closed_at = "answer"
    answer = asyncio.create_task(gateway.client.post(CHAT, json=BODY))
    async with asyncio.timeout(10):
        await door.arrivals.acquire()
        [running] = gateway.limiter.reserved()
        gateway.clock.advance(60)
        await world.expect_nothing_reserved(spent=0, tokens=0)
        await gateway.leases.renew()
        assert gateway.limiter.reserved() == [running]
        door.opened.set()
        assert (await answer).status_code == 200
    await world.expect_nothing_reserved(spent=17, tokens=0)


async def test_a_limiter_that_is_away_when_leases_are_renewed_is_asked_again(
    world: World,
) -> None:
    gateway, door = world.gateway, world.door
    door.closed_at = "answer"
    answer = asyncio.create_task(gateway.client.post(CHAT, json=BODY))
    async with asyncio.timeout(10):
        await door.arrivals.acquire()
        for away in (True, False):
            gateway.clock.advance(20)
            gateway.limiter.unavailable = away
            await gateway.leases.renew()
        gateway.clock.advance(20)
        assert gateway.limiter.in_flight() == 1
        door.opened.set()
        assert (await answer).status_code == 200


@pytest.mark.parametrize(
    ("tier", "limit"), [(Tier.FREE, "5000"), (Tier.STANDARD, "10000"), (Tier.PREMIUM, "10000")]
)
async def test_while_a_model_is_saturated_free_tiers_have_less(tier: Tier, limit: str) -> None:
    async with running_gateway(saturation={"echo": 0.9}.__getitem__) as gateway:
        gateway.accounts.principals[KEY] = replace(LIMITED, tier=tier)
        response = await gateway.client.post(CHAT, json=BODY)
        listed = await gateway.client.get("/v1/models")
    assert response.headers["x-ratelimit-limit-tokens"] == limit
    assert listed.status_code == 200
