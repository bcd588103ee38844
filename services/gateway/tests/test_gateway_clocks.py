"""Budgets go by the clock that gateways share, however wrong a gateway's own one is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from headrace_common.testing.clock import FakeClock
from headrace_gateway.domain.admission import Admission, Demand
from headrace_gateway.domain.principal import (
    Budget,
    BudgetPeriod,
    ModelPrice,
    PriceTable,
    Principal,
)
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway
from headrace_gateway.testing.limiter import FakeLimiter

BUDGETED = replace(
    PRINCIPAL,
    prices=PriceTable(1, "EUR", (ModelPrice("echo", 1_000_000, 10_000_000),)),
    budgets=(Budget("organization:org_1", 600, "EUR", BudgetPeriod.DAY, "UTC"),),
)
CHAT: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "user", "content": "abc"}],
    "max_tokens": 50,
}
TODAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Elsewhere(FakeLimiter):
    """Has a clock of its own, as Redis has, which may be another one at each question."""

    def __init__(self, clock: FakeClock, *times: datetime) -> None:
        super().__init__(clock)
        self._times = list(times)
        self.periods: list[datetime] = []

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        now = self._times.pop(0) if len(self._times) > 1 else self._times[0]
        for charge in demand.budget_charges:
            self.periods.append(datetime.fromtimestamp(charge.period.start, UTC))
            if not charge.period.start <= now.timestamp() < charge.period.end:
                return Admission(False, in_other_period=True, decided_at=now.timestamp())
        return await super().admit(principal, demand)


async def _statuses(gateway: Gateway, count: int) -> Sequence[int]:
    gateway.accounts.principals[KEY] = BUDGETED
    answers = [await gateway.client.post("/v1/chat/completions", json=CHAT) for _ in range(count)]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("ahead", [-1, 1])
async def test_a_gateway_whose_clock_is_a_day_off_spends_todays_budget(ahead: int) -> None:
    clock = FakeClock(TODAY + timedelta(days=ahead))
    limiter = Elsewhere(clock, TODAY)
    async with running_gateway(clock=clock, limiter=limiter) as gateway:
        with capture_logs() as logs:
            assert await _statuses(gateway, 1) == [200]
        [exchange] = gateway.events.exchanges
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    assert limiter.periods == [midnight + timedelta(days=ahead), midnight]
    assert [charge.period.start for charge in exchange.charged] == [midnight.timestamp()]
    told = [line["seconds"] for line in logs if line["event"] == "clock_differs"]
    assert told == [ahead * 86_400]


async def test_who_is_refused_is_told_when_the_day_ends_by_that_clock() -> None:
    clock = FakeClock(TODAY + timedelta(days=1))
    async with running_gateway(clock=clock, limiter=Elsewhere(clock, TODAY)) as gateway:
        gateway.accounts.principals[KEY] = replace(
            BUDGETED, budgets=(replace(BUDGETED.budgets[0], amount_micros=1),)
        )
        refused = await gateway.client.post("/v1/chat/completions", json=CHAT)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, str(12 * 60 * 60))


async def test_a_day_may_end_between_two_questions() -> None:
    clock = FakeClock(TODAY - timedelta(days=1))
    end = datetime(2026, 1, 2, tzinfo=UTC)
    limiter = Elsewhere(clock, end - timedelta(microseconds=1), end)
    async with running_gateway(clock=clock, limiter=limiter) as gateway:
        assert await _statuses(gateway, 1) == [200]
    assert [period.day for period in limiter.periods] == [31, 1, 2]


async def test_who_cannot_agree_on_a_day_is_refused_for_now() -> None:
    clock = FakeClock(TODAY)
    times = [TODAY + timedelta(days=2 * number) for number in range(1, 10)]
    limiter = Elsewhere(clock, *times)
    async with running_gateway(clock=clock, limiter=limiter) as gateway:
        assert await _statuses(gateway, 1) == [503]
    assert len(limiter.periods) == 3
