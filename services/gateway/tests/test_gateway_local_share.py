"""While limits cannot be counted together: the breaker, a share of each limit, and the way back."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from structlog.testing import capture_logs

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.fallback_limiter import (
    MAXIMUM_UNSETTLED,
    SETTLED_AT_ONCE,
    FallbackLimiter,
    FallbackRules,
)
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.domain.admission import (
    Admission,
    Charge,
    Demand,
    Holding,
    LimitState,
    Settlement,
)
from headrace_gateway.domain.breaker import Breaker
from headrace_gateway.domain.principal import Principal
from headrace_gateway.limiting import with_fallback
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.testing.gateway import running_gateway
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.limiter_suite import (
    LEASE_SECONDS,
    PLACES,
    PRINCIPAL,
    REQUESTS,
    TOKENS,
    Advance,
    RateSuite,
    RevocationSuite,
    Revoke,
    admit,
    demand,
)
from headrace_gateway.testing.reservation_suite import BudgetSuite, PlaceSuite, costing, left

RULES = FallbackRules(replicas=3, spend_uncounted=False, slow_seconds=0.25)
SIX = replace(REQUESTS, amount=6)


class Shared(FakeLimiter):
    """Counts how often it is asked, and may be slow."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, lease_seconds=LEASE_SECONDS)
        self.fake_clock = clock
        self.asked = 0
        self.slow_by = 0.0
        self.loses_answers = False
        self.hangs = False
        self.hanging = asyncio.Event()

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        self.asked += 1
        self.fake_clock.advance(self.slow_by)
        admission = await super().admit(principal, demand)
        if self.loses_answers:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "The answer is late.")
        return admission

    async def renew(self, holdings: Sequence[Holding]) -> None:
        if holdings:  # as Redis, which is asked once for each
            await super().renew(holdings)

    async def settle(self, settlement: Settlement) -> None:
        if self.hangs:
            self.hanging.set()
            await asyncio.Event().wait()
        await super().settle(settlement)


class Rig:
    """The limiter between a shared and a local one, which tests look at."""

    def __init__(
        self, rules: FallbackRules = RULES, on_given_up: Callable[[], None] = lambda: None
    ) -> None:
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self.local = MemoryLimiter(self.clock, lease_seconds=LEASE_SECONDS)
        self.breaker = Breaker(self.clock, failures=3, pause_seconds=1.0)
        self.late = 0.0
        self.limiter = FallbackLimiter(
            self.shared,
            self.local,
            self.breaker,
            self.clock,
            rules,
            lambda: self.late,
            on_given_up,
        )

    async def admit(self, *charges: Charge, request_id: str = "r1") -> Admission:
        return await admit(self.limiter, *charges, request_id=request_id)

    async def break_it(self) -> None:
        """Have the shared one fail as often as the breaker stands it."""
        self.shared.unavailable = True
        for _ in range(3):
            await self.admit()


class TestFallbackLimiter(RateSuite, RevocationSuite, PlaceSuite, BudgetSuite):
    """With a shared limiter that answers, it is that one."""

    @pytest.fixture
    def rig(self) -> Rig:
        return Rig()

    @pytest.fixture
    def limiter(self, rig: Rig) -> FallbackLimiter:
        return rig.limiter

    @pytest.fixture
    def advance(self, rig: Rig) -> Advance:
        return rig.clock.advance

    @pytest.fixture
    def revoke(self, rig: Rig) -> Revoke:
        async def revoke(organization_id: str, revocation_id: str) -> None:
            rig.shared.revoked.add((organization_id, revocation_id))

        return revoke


async def test_alone_a_gateway_has_its_share_and_says_so() -> None:
    rig = Rig()
    await rig.break_it()
    answers = [await rig.admit(Charge(SIX, 1)) for _ in range(3)]
    assert [answer.refused_by is None for answer in answers] == [True, True, False]
    assert all(answer.local for answer in answers)
    assert answers[0].states[0].limit.amount == 2


async def test_a_share_is_one_at_least() -> None:
    rig = Rig()
    await rig.break_it()
    one = replace(PLACES, amount=1)
    answers = [await rig.admit(Charge(one, 1), request_id=f"r{n}") for n in range(2)]
    assert [answer.refused_by is None for answer in answers] == [True, False]


async def test_what_exceeds_a_share_waits_for_all_of_it_as_long_as_it_is_told_to() -> None:
    rig = Rig()
    await rig.break_it()
    whole = Charge(TOKENS, 90)  # of 100, of which a third is 33
    first = await rig.admit(whole)
    assert (first.refused_by, first.states[0].remaining) == (None, 0)
    for waited in (0, 30):
        rig.clock.advance(waited)
        refused = (await rig.admit(whole)).refused_by
        assert isinstance(refused, LimitState)
        assert refused.retry_seconds == pytest.approx(60 - waited)
    rig.clock.advance(30)
    assert (await rig.admit(whole)).refused_by is None


async def test_what_exceeds_a_share_is_paid_by_those_who_come_then() -> None:
    rig = Rig()
    await rig.break_it()
    whole = Charge(TOKENS, 90)
    admission = await rig.admit(whole)
    await rig.limiter.settle(Settlement(demand(whole), admission, tokens=66, cost_micros=0))
    refused = (await rig.admit(Charge(TOKENS, 33))).refused_by
    assert isinstance(refused, LimitState)
    assert refused.retry_seconds == pytest.approx(120)  # 66 tokens at 33 a minute
    rig.clock.advance(120)
    assert (await rig.admit(Charge(TOKENS, 33))).refused_by is None


async def test_after_so_many_failures_it_is_not_asked_until_one_call_tries() -> None:
    rig = Rig()
    with capture_logs() as logs:
        await rig.break_it()
        for _ in range(10):
            assert (await rig.admit()).local
        assert rig.shared.asked == 3
        rig.clock.advance(1)
        for _ in range(10):
            assert (await rig.admit()).local
        assert rig.shared.asked == 4
        rig.shared.unavailable = False
        rig.clock.advance(1)
        assert not (await rig.admit()).local
    told = [line["reason"] for line in logs if line["event"] == "limits_counted_otherwise"]
    assert told == ["local", "shared"]


async def test_failures_between_which_it_answers_do_not_open_the_breaker() -> None:
    rig = Rig()
    for number in range(9):
        rig.shared.unavailable = number % 3 != 0
        assert (await rig.admit()).local is rig.shared.unavailable
    assert rig.shared.asked == 9


async def test_slow_answers_count_as_they_are_and_open_the_breaker() -> None:
    rig = Rig()
    rig.shared.slow_by = 0.3
    answers = [await rig.admit(Charge(SIX, 1)) for _ in range(4)]
    assert [answer.local for answer in answers] == [False, False, False, True]


async def test_a_gateway_that_is_late_itself_calls_nobody_slow() -> None:
    rig = Rig()
    rig.shared.slow_by, rig.late = 0.3, 0.2
    answers = [await rig.admit(Charge(SIX, 1)) for _ in range(6)]
    assert not any(answer.local for answer in answers)


async def test_hard_budgets_refuse_while_nobody_counts_together() -> None:
    rig = Rig()
    await rig.break_it()
    with pytest.raises(HeadraceError) as caught:
        await rig.limiter.admit(PRINCIPAL, costing(1, "r1"))
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    with pytest.raises(HeadraceError):
        await rig.limiter.extend(Holding(costing(1, "r1"), 1), 1)


async def test_by_setting_budgets_pass_uncounted() -> None:
    rig = Rig(replace(RULES, spend_uncounted=True))
    await rig.break_it()
    admission = await rig.limiter.admit(PRINCIPAL, costing(10**9, "r1"))
    assert (admission.local, admission.refused_by) == (True, None)
    assert await rig.limiter.extend(Holding(costing(10**9, "r1"), 5), 70) == 70
    await rig.limiter.settle(Settlement(costing(10**9, "r1"), admission, 0, 10**9))
    rig.shared.unavailable = False
    assert await left(rig.shared) == 1000


async def test_what_passed_uncounted_goes_on_so_when_redis_is_back() -> None:
    rig = Rig(replace(RULES, spend_uncounted=True))
    await rig.break_it()
    held = costing(10**9, "r1")
    assert (await rig.limiter.admit(PRINCIPAL, held)).local
    rig.shared.unavailable = False
    rig.clock.advance(2)
    assert await rig.limiter.extend(Holding(held, 10**9, local=True), 70) == 70


async def test_having_nothing_to_renew_does_not_close_the_breaker() -> None:
    rig = Rig()
    held = costing(500, "r1", places=True)
    admission = await rig.limiter.admit(PRINCIPAL, held)
    await rig.break_it()
    await rig.limiter.settle(Settlement(held, admission, 0, 120))
    rig.clock.advance(2)
    with pytest.raises(HeadraceError):
        await rig.limiter.renew([])
    assert rig.breaker.is_open


async def test_who_leaves_while_it_is_settled_pays_all_the_same() -> None:
    rig = Rig()
    rig.shared.hangs = True
    held = costing(500, "r1", places=True)
    admission = await rig.limiter.admit(PRINCIPAL, held)
    settling = asyncio.create_task(rig.limiter.settle(Settlement(held, admission, 0, 120)))
    await rig.shared.hanging.wait()
    settling.cancel()
    await asyncio.wait([settling])
    rig.shared.hangs = False
    await rig.limiter.renew([])
    assert (settling.cancelled(), rig.shared.in_flight()) == (True, 0)
    assert await left(rig.shared) == 880


async def test_who_was_admitted_alone_is_settled_and_renewed_alone() -> None:
    rig = Rig()
    await rig.break_it()
    three = replace(PLACES, amount=9)
    rates = replace(TOKENS, amount=300)
    held = demand(Charge(rates, 100), Charge(three, 1))
    admission = await rig.limiter.admit(PRINCIPAL, held)
    rig.shared.unavailable = False
    for _ in range(3):
        rig.clock.advance(20)
        await rig.limiter.renew([Holding(held, 0, local=True)])
    assert (rig.local.in_flight(), rig.shared.in_flight()) == (1, 0)
    await rig.limiter.settle(Settlement(held, admission, 90, 0))
    assert rig.local.in_flight() == 0


async def test_what_could_not_be_settled_is_settled_once_it_can() -> None:
    rig = Rig()
    held = costing(500, "r1", places=True)
    admission = await rig.limiter.admit(PRINCIPAL, held)
    await rig.break_it()
    await rig.limiter.settle(Settlement(held, admission, 0, 120))
    rig.clock.advance(2)
    with pytest.raises(HeadraceError):
        await rig.limiter.renew([])
    rig.shared.unavailable = False
    assert rig.shared.in_flight() == 1
    rig.clock.advance(2)
    await rig.limiter.renew([])
    assert rig.shared.in_flight() == 0
    assert await left(rig.shared) == 880


async def test_as_many_wait_to_be_settled_as_may_and_the_oldest_are_given_up() -> None:
    given_up: list[bool] = []
    rig = Rig(on_given_up=lambda: given_up.append(True))
    await rig.break_it()
    for number in range(MAXIMUM_UNSETTLED + 3):
        held = costing(1, f"r{number}")
        await rig.limiter.settle(Settlement(held, None, 0, 1))
    assert (rig.limiter.unsettled, len(given_up)) == (MAXIMUM_UNSETTLED, 3)
    rig.shared.unavailable = False
    rig.clock.advance(2)
    await rig.limiter.renew([])
    assert rig.limiter.unsettled == MAXIMUM_UNSETTLED - SETTLED_AT_ONCE


async def test_operators_see_what_waits_to_be_settled() -> None:
    clock, registry = FakeClock(), CollectorRegistry()
    shared = Shared(clock)
    settings = GatewaySettings(
        auth_target="unused:1",
        cache_target="unused:1",
        audit_target="unused:1",
        models={"echo": "unused:1"},
        admission_redis_url=SecretStr("unix:///unused"),
        spool_directory=Path("unused"),
    )
    limiter = with_fallback(shared, settings, clock, registry, lambda: 0.0)
    shared.unavailable = True
    await limiter.settle(Settlement(costing(1, "r1"), None, 0, 1))
    assert registry.get_sample_value("headrace_gateway_unsettled") == 1
    assert registry.get_sample_value("headrace_gateway_settlements_given_up_total") == 0
    shared.unavailable = False
    await limiter.renew([])
    assert registry.get_sample_value("headrace_gateway_unsettled") == 0


async def test_what_was_taken_although_nobody_heard_so_is_given_back() -> None:
    rig = Rig()
    rig.shared.loses_answers = True
    held = demand(Charge(PLACES, 1))
    assert (await rig.limiter.admit(PRINCIPAL, held)).local
    assert rig.shared.in_flight() == 1
    rig.shared.loses_answers = False
    await rig.limiter.renew([])
    assert rig.shared.in_flight() == 0


async def test_refusals_are_no_failures() -> None:
    rig = Rig()
    answers = [await rig.admit(Charge(SIX, 1)) for _ in range(12)]
    assert sum(answer.refused_by is None for answer in answers) == SIX.amount
    assert not rig.breaker.is_open


async def test_callers_and_operators_are_told_that_limits_are_local() -> None:
    class Alone(FakeLimiter):
        async def admit(self, principal: Principal, demand: Demand) -> Admission:
            return replace(await super().admit(principal, demand), local=True)

    clock = FakeClock()
    async with running_gateway(clock=clock, limiter=Alone(clock)) as gateway:
        body = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
        answer = await gateway.client.post("/v1/chat/completions", json=body)
        counted = gateway.registry.get_sample_value("headrace_gateway_admitted_alone_total")
    assert (answer.status_code, counted) == (200, 1)
    assert answer.headers["x-headrace-limits"] == "local"
    async with running_gateway() as gateway:
        together = await gateway.client.post("/v1/chat/completions", json=body)
    assert "x-headrace-limits" not in together.headers
