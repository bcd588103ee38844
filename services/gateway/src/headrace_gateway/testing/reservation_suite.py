"""The suite of what a Limiter lends until it is settled: places in flight, and money."""

import asyncio

from headrace_gateway.domain.admission import (
    BudgetCharge,
    BudgetState,
    Charge,
    Demand,
    Holding,
    LimitState,
    Settlement,
)
from headrace_gateway.domain.budgets import Period
from headrace_gateway.domain.principal import Budget, BudgetPeriod
from headrace_gateway.ports import Limiter
from headrace_gateway.testing.limiter_suite import (
    LEASE_SECONDS,
    PLACES,
    PRINCIPAL,
    TOKENS,
    Advance,
    admit,
    demand,
)

BUDGET = Budget("team:t1", 1000, "EUR", BudgetPeriod.DAY, "UTC")
WIDE = Budget("organization:o1", 1500, "EUR", BudgetPeriod.MONTH, "UTC")
DAY_SECONDS = 86_400
TODAY = Period(1_800_000_000, 1_800_000_000 + DAY_SECONDS)
TOMORROW = Period(TODAY.end, TODAY.end + DAY_SECONDS)


def costing(
    micros: int, request_id: str, *budgets: Budget, period: Period = TODAY, places: bool = False
) -> Demand:
    """A request that costs so much at most, of the team's budget unless others are named."""
    charges = tuple(BudgetCharge(each, period, micros) for each in budgets or (BUDGET,))
    return Demand(request_id, "o1", (Charge(PLACES, 1),) if places else (), charges)


async def left(limiter: Limiter, budget: Budget = BUDGET, period: Period = TODAY) -> int:
    """What is neither spent nor reserved."""
    admission = await limiter.admit(PRINCIPAL, costing(0, "looking", budget, period=period))
    await limiter.settle(Settlement(costing(0, "looking", budget, period=period), admission, 0, 0))
    return admission.budget_states[0].remaining_micros


class PlaceSuite:
    """Limits on requests in flight. Fixtures: `limiter`, and `advance`, which moves its clock."""

    async def test_exactly_so_many_are_in_flight_of_many_at_once(self, limiter: Limiter) -> None:
        asking = (admit(limiter, Charge(PLACES, 1), request_id=f"r{n}") for n in range(50))
        answers = await asyncio.gather(*asking)
        assert sum(answer.refused_by is None for answer in answers) == PLACES.amount
        refused = next(answer.refused_by for answer in answers if answer.refused_by)
        assert isinstance(refused, LimitState)
        assert (refused.limit, refused.remaining) == (PLACES, 0)

    async def test_whoever_is_settled_makes_room_once(self, limiter: Limiter) -> None:
        for number in range(PLACES.amount):
            await admit(limiter, Charge(PLACES, 1), request_id=f"r{number}")
        for _ in range(2):
            await limiter.settle(Settlement(demand(Charge(PLACES, 1), request_id="r0"), None, 0, 0))
        refusals = [
            (await admit(limiter, Charge(PLACES, 1), request_id=f"s{number}")).refused_by
            for number in range(2)
        ]
        assert [refusal is None for refusal in refusals] == [True, False]

    async def test_a_place_is_free_when_its_lease_ends_unless_it_is_renewed(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        for request_id in ("kept", "dead", "dead too"):
            await admit(limiter, Charge(PLACES, 1), request_id=request_id)
        advance(LEASE_SECONDS - 1)
        await limiter.renew([Holding(demand(Charge(PLACES, 1), request_id="kept"), 0)])
        assert (await admit(limiter, Charge(PLACES, 1), request_id="early")).refused_by
        advance(2)
        states = [
            (await admit(limiter, Charge(PLACES, 1), request_id=f"r{number}")).states[0].remaining
            for number in range(2)
        ]
        assert states == [1, 0]

    async def test_renewing_takes_no_place_that_was_given_back(self, limiter: Limiter) -> None:
        held = demand(Charge(PLACES, 1))
        await limiter.admit(PRINCIPAL, held)
        await limiter.settle(Settlement(held, None, 0, 0))
        await limiter.renew([Holding(held, 0)])
        assert (await admit(limiter, Charge(PLACES, 1))).states[0].remaining == PLACES.amount - 1

    async def test_a_full_limit_takes_nothing_of_the_others(self, limiter: Limiter) -> None:
        for number in range(PLACES.amount):
            await admit(limiter, Charge(PLACES, 1), request_id=f"r{number}")
        refused = await admit(limiter, Charge(TOKENS, 60), Charge(PLACES, 1), request_id="one more")
        assert refused.refused_by == refused.states[1]
        assert refused.states[0].remaining == 100


class BudgetSuite:
    """Budgets. The same fixtures."""

    async def test_what_is_reserved_is_not_there_for_others(self, limiter: Limiter) -> None:
        admission = await limiter.admit(PRINCIPAL, costing(600, "r1"))
        assert admission.refused_by is None
        assert admission.budget_states[0].remaining_micros == 400
        refused = (await limiter.admit(PRINCIPAL, costing(401, "r2"))).refused_by
        assert isinstance(refused, BudgetState)
        assert (refused.remaining_micros, refused.unspent_micros) == (400, 1000)
        assert (await limiter.admit(PRINCIPAL, costing(400, "r3"))).refused_by is None

    async def test_settling_spends_what_was_used_once_and_gives_back_the_rest(
        self, limiter: Limiter
    ) -> None:
        reserved = costing(600, "r1")
        admission = await limiter.admit(PRINCIPAL, reserved)
        for _ in range(2):
            await limiter.settle(Settlement(reserved, admission, 0, 250))
        assert await left(limiter) == 750

    async def test_more_than_was_reserved_is_spent_too(self, limiter: Limiter) -> None:
        admission = await limiter.admit(PRINCIPAL, costing(990, "r1"))
        await limiter.settle(Settlement(costing(990, "r1"), admission, 0, 1010))
        assert await left(limiter) == 0
        assert (await limiter.admit(PRINCIPAL, costing(1, "r2"))).refused_by is not None
        assert (await limiter.admit(PRINCIPAL, costing(0, "free"))).refused_by is None

    async def test_all_budgets_have_room_or_nothing_is_taken(self, limiter: Limiter) -> None:
        await limiter.admit(PRINCIPAL, costing(900, "r1", WIDE))
        both = await limiter.admit(PRINCIPAL, costing(601, "r2", BUDGET, WIDE, places=True))
        assert isinstance(both.refused_by, BudgetState)
        assert both.refused_by.charge.budget == WIDE
        assert await left(limiter) == 1000
        assert (await admit(limiter, Charge(PLACES, 1))).states[0].remaining == PLACES.amount - 1

    async def test_another_period_begins_with_nothing_spent(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        today = await limiter.admit(PRINCIPAL, costing(1000, "r1"))
        advance(DAY_SECONDS)
        tomorrow = await limiter.admit(PRINCIPAL, costing(1000, "r2", period=TOMORROW))
        assert tomorrow.refused_by is None
        await limiter.settle(Settlement(costing(1000, "r1"), today, 0, 300))
        assert await left(limiter, period=TOMORROW) == 0
        advance(-DAY_SECONDS)
        assert await left(limiter) == 700

    async def test_more_is_reserved_as_far_as_every_budget_goes(self, limiter: Limiter) -> None:
        held = costing(500, "r1", BUDGET, WIDE)
        await limiter.admit(PRINCIPAL, held)
        await limiter.admit(PRINCIPAL, costing(700, "r2", WIDE))
        granted = [await limiter.extend(Holding(held, 500), 200) for _ in range(3)]
        assert granted == [200, 100, 0]
        assert (await left(limiter), await left(limiter, WIDE)) == (200, 0)

    async def test_what_the_dead_had_used_is_spent_and_the_rest_given_back(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        held = costing(800, "r1")
        await limiter.admit(PRINCIPAL, held)
        advance(LEASE_SECONDS / 3)
        await limiter.renew([Holding(held, 150)])
        advance(LEASE_SECONDS - 1)
        assert await left(limiter) == 200
        advance(2)
        assert await left(limiter) == 850

    async def test_whoever_only_seemed_dead_pays_all_it_used(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        held = costing(800, "r1")
        admission = await limiter.admit(PRINCIPAL, held)
        await limiter.renew([Holding(held, 150, 800)])
        advance(LEASE_SECONDS + 1)
        assert await left(limiter) == 850
        for _ in range(2):
            await limiter.settle(Settlement(held, admission, 0, 100))
        assert await left(limiter) == 900

    async def test_whoever_only_seemed_dead_holds_again_what_it_held(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        held = costing(800, "r1")
        admission = await limiter.admit(PRINCIPAL, held)
        await limiter.renew([Holding(held, 150, 800)])
        advance(LEASE_SECONDS + 1)
        assert await left(limiter) == 850
        for _ in range(2):
            await limiter.renew([Holding(held, 200, 800)])
            assert await left(limiter) == 200
        assert await limiter.extend(Holding(held, 800, 800), 300) == 200
        await limiter.settle(Settlement(held, admission, 0, 900))
        assert await left(limiter) == 100

    async def test_of_what_it_held_it_gets_what_others_have_left(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        held, other = costing(800, "r1"), costing(700, "r2")
        admission = await limiter.admit(PRINCIPAL, held)
        advance(LEASE_SECONDS + 1)
        lent = await limiter.admit(PRINCIPAL, other)
        await limiter.renew([Holding(held, 200, 800)])
        assert await left(limiter) == 0
        await limiter.settle(Settlement(other, lent, 0, 0))
        assert await left(limiter) == 700
        await limiter.settle(Settlement(held, admission, 0, 400))
        assert await left(limiter) == 600

    async def test_what_was_used_meanwhile_is_reserved_though_there_is_nothing(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        held = costing(800, "r1")
        await limiter.admit(PRINCIPAL, held)
        advance(LEASE_SECONDS + 1)
        await limiter.admit(PRINCIPAL, costing(1000, "r2"))
        await limiter.renew([Holding(held, 200, 800)])
        advance(LEASE_SECONDS + 1)
        assert await left(limiter) == 800

    async def test_a_running_request_gets_what_the_dead_leave(
        self, limiter: Limiter, advance: Advance
    ) -> None:
        running = costing(100, "running")
        await limiter.admit(PRINCIPAL, running)
        await limiter.admit(PRINCIPAL, costing(900, "dead"))
        advance(LEASE_SECONDS - 1)
        await limiter.renew([Holding(running, 50)])
        assert await limiter.extend(Holding(running, 100), 10) == 0
        advance(2)
        assert await limiter.extend(Holding(running, 100), 10) == 10

    async def test_neither_renewing_nor_settling_makes_what_was_never_admitted(
        self, limiter: Limiter
    ) -> None:
        never = costing(500, "never", places=True)
        await limiter.renew([Holding(never, 100)])
        await limiter.settle(Settlement(never, None, 0, 100))
        assert await limiter.extend(Holding(never, 100), 100) == 0
        assert await left(limiter) == 1000

    async def test_billions_keep_their_last_millionth(self, limiter: Limiter) -> None:
        large = Budget("user:u1", 10**15, "EUR", BudgetPeriod.DAY, "UTC")
        admission = await limiter.admit(PRINCIPAL, costing(10**15 - 1, "r1", large))
        await limiter.settle(Settlement(costing(10**15 - 1, "r1", large), admission, 0, 10**15 - 1))
        assert await left(limiter, large) == 1
