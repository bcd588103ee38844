"""Which limits a request counts against, and the in-memory limiter against its suite."""

import pytest

from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import MemoryRateLimiter
from headrace_gateway.domain.completion import CompletionRequest, Message, Sampling
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.domain.rates import Admission, RateState, charges, estimate_tokens
from headrace_gateway.testing.limiter_suite import RateLimiterSuite, Revoke


class TestMemoryRateLimiter(RateLimiterSuite):
    @pytest.fixture
    def limiter(self) -> MemoryRateLimiter:
        return MemoryRateLimiter(FakeClock())

    @pytest.fixture
    def revoke(self, limiter: MemoryRateLimiter) -> Revoke:
        async def revoke(organization_id: str, revocation_id: str) -> None:
            limiter.revoked.add((organization_id, revocation_id))

        return revoke


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
    roomy, tight = RateState(REQUESTS, 9, 1.0, 0.0), RateState(OTHER_MODEL, 2, 1.0, 0.0)
    kind = LimitKind.REQUESTS_PER_MINUTE
    assert Admission(False, (roomy, tight)).tightest(kind) is tight
    assert Admission(False, (roomy, tight), refused_by=roomy).tightest(kind) is roomy
    assert Admission(False, (roomy,)).tightest(LimitKind.TOKENS_PER_MINUTE) is None
