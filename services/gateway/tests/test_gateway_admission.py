"""What a request asks of limits, what callers hear of them, and the in-memory limiter's suites."""

import asyncio

import pytest
from hypothesis import given, settings

from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.domain.admission import (
    Admission,
    Charge,
    LimitState,
    Tightening,
    charges,
    estimate_tokens,
)
from headrace_gateway.domain.completion import CompletionRequest, Message, Sampling
from headrace_gateway.domain.principal import Limit, LimitKind, Principal, Tier
from headrace_gateway.http.exchanges import go_duration
from headrace_gateway.testing.limiter import FakeLimiter
from headrace_gateway.testing.limiter_suite import (
    LEASE_SECONDS,
    Advance,
    RateSuite,
    RevocationSuite,
    Revoke,
)
from headrace_gateway.testing.reservation_suite import BudgetSuite, PlaceSuite
from headrace_gateway.testing.spending_schedules import (
    SCHEDULES,
    Schedule,
    World,
    expect_the_budget_holds,
)


class TestMemoryLimiter(RateSuite, PlaceSuite, BudgetSuite):
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def limiter(self, clock: FakeClock) -> MemoryLimiter:
        return MemoryLimiter(clock, lease_seconds=LEASE_SECONDS)

    @pytest.fixture
    def advance(self, clock: FakeClock) -> Advance:
        return clock.advance


class TestFakeLimiter(RevocationSuite):
    @pytest.fixture
    def limiter(self) -> FakeLimiter:
        return FakeLimiter(FakeClock(), lease_seconds=LEASE_SECONDS)

    @pytest.fixture
    def revoke(self, limiter: FakeLimiter) -> Revoke:
        async def revoke(organization_id: str, revocation_id: str) -> None:
            limiter.revoked.add((organization_id, revocation_id))

        return revoke


@given(SCHEDULES)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_the_budget_holds(schedule: Schedule) -> None:
    clock = FakeClock()
    world = World(MemoryLimiter(clock, lease_seconds=LEASE_SECONDS), clock.advance)
    asyncio.run(expect_the_budget_holds(world, schedule))


REQUESTS = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:k", 10)
ORGANIZATION = Limit(LimitKind.REQUESTS_PER_MINUTE, "organization:o", 10)
TOKENS = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:o", 1000)
OTHER_MODEL = Limit(LimitKind.REQUESTS_PER_MINUTE, "organization:o", 5, model="other")
REQUEST = CompletionRequest(
    "echo", (Message("user", "12345678"),), Sampling(max_tokens=10, choices=2)
)


def _principal(*limits: Limit) -> Principal:
    return Principal("k", "u", "o", frozenset(), limits=limits)


def test_tokens_are_estimated_from_prompt_and_all_choices() -> None:
    assert estimate_tokens(REQUEST) == 2 + 4 + 20


def test_each_limit_is_charged_in_its_own_unit_and_other_models_limits_are_not() -> None:
    taken = charges(_principal(ORGANIZATION, TOKENS, OTHER_MODEL), REQUEST, 600)
    assert [(charge.limit, charge.cost) for charge in taken] == [(ORGANIZATION, 1), (TOKENS, 26)]


def test_a_user_without_a_request_rate_gets_the_default() -> None:
    taken = charges(_principal(TOKENS), REQUEST, 600)
    assert [(charge.limit.subject, charge.limit.amount) for charge in taken] == [
        ("organization:o", 1000),
        ("user:u", 600),
    ]


@pytest.mark.parametrize("subject", ["api_key:k", "user:u", "team:t"])
def test_nobody_lifts_the_default_for_the_own_people(subject: str) -> None:
    wide = Limit(LimitKind.REQUESTS_PER_MINUTE, subject, 10**12)
    taken = charges(_principal(wide), REQUEST, 600)
    assert min(charge.limit.amount for charge in taken) == 600


@pytest.mark.parametrize(
    "limit",
    [
        Limit(LimitKind.CONCURRENT_REQUESTS, "organization:o", 10),
        Limit(LimitKind.REQUESTS_PER_MINUTE, "organization:o", 10**12, model="echo"),
    ],
)
def test_what_is_no_rate_of_all_requests_does_not_replace_the_default(limit: Limit) -> None:
    amounts = [charge.limit.amount for charge in charges(_principal(limit), REQUEST, 600)]
    assert 600 in amounts


def test_the_caller_hears_of_the_limit_that_refused_or_else_of_the_tightest() -> None:
    roomy, tight = LimitState(REQUESTS, 9, 1.0, 0.0), LimitState(OTHER_MODEL, 2, 1.0, 0.0)
    kind = LimitKind.REQUESTS_PER_MINUTE
    assert Admission(False, (roomy, tight)).tightest(kind) is tight
    assert Admission(False, (roomy, tight), refused_by=roomy).tightest(kind) is roomy
    assert Admission(False, (roomy,)).tightest(LimitKind.TOKENS_PER_MINUTE) is None


@pytest.mark.parametrize(("own", "counted"), [(2, 2), (10_000, 600)])
def test_a_users_own_rate_and_the_default_are_one_count(own: int, counted: int) -> None:
    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, "user:u", own)
    [charge] = charges(_principal(limit), REQUEST, 600)
    assert charge.limit == Limit(LimitKind.REQUESTS_PER_MINUTE, "user:u", counted)


def test_only_requests_for_models_take_a_place() -> None:
    places = Limit(LimitKind.CONCURRENT_REQUESTS, "user:u", 2)
    taken = charges(_principal(places, ORGANIZATION), REQUEST, 600)
    assert [charge.limit for charge in taken] == [ORGANIZATION, places]
    assert [charge.limit for charge in charges(_principal(places, ORGANIZATION), None, 600)] == [
        ORGANIZATION
    ]


@pytest.mark.parametrize(
    ("tier", "saturation", "amount"),
    [
        (Tier.FREE, 0.8, 10),
        (Tier.FREE, 0.81, 5),
        (Tier.STANDARD, 0.9, 10),
        (Tier.STANDARD, 1.1, 5),
        (Tier.PREMIUM, 9.0, 10),
    ],
)
def test_limits_shrink_for_free_tiers_first_and_for_premium_never(
    tier: Tier, saturation: float, amount: int
) -> None:
    tightening = Tightening(free_above=0.8, standard_above=1.0, factor=0.5)
    [charge] = tightening.apply((Charge(REQUESTS, 1),), tier, saturation)
    assert charge.limit.amount == amount


def test_a_limit_never_shrinks_to_nothing() -> None:
    one = Limit(LimitKind.CONCURRENT_REQUESTS, "user:u", 1)
    tightening = Tightening(free_above=0.8, standard_above=1.0, factor=0.1)
    [charge] = tightening.apply((Charge(one, 1),), Tier.FREE, 2.0)
    assert charge.limit.amount == 1


def test_what_fits_into_a_limit_is_not_refused_for_ever_while_it_is_tightened() -> None:
    tokens = Limit(LimitKind.TOKENS_PER_MINUTE, "user:u", 1000)
    tightening = Tightening(free_above=0.8, standard_above=1.0, factor=0.5)
    [charge] = tightening.apply((Charge(tokens, 800),), Tier.FREE, 2.0)
    assert charge.limit.amount == 800


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0s"),
        (0.0201, "21ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.9996, "1m0s"),
        (90.5, "1m30.5s"),
        (360, "6m0s"),
    ],
)
def test_times_are_told_as_openai_tells_them(seconds: float, told: str) -> None:
    assert go_duration(seconds) == told
