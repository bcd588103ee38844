"""Limits that come with a tier: which apply beside those that are set, and how they are said."""

from typing import Any

import pytest

from headrace_auth.domain.principal import Limit, LimitKind, Member, Role, Subject, Tier
from headrace_auth.domain.tiers import DEFAULT_TIER_LIMITS, TierLimits, check_tier_limits

REQUESTS, TOKENS, CONCURRENT = LimitKind
LIMITS = check_tier_limits(
    {
        "free": {"requests_per_minute": 60, "concurrent_requests": 4},
        "premium": {"requests_per_minute": 10**12},
    }
)


def _member(tier: Tier, *limits: Limit) -> Member:
    return Member("u", "o", Role.MEMBER, 1, limits=limits, tier=tier)


def _of_organization(kind: LimitKind, amount: int, model: str = "") -> Limit:
    return Limit(kind, Subject.ORGANIZATION, "o", amount, model)


def test_a_tier_has_limits_of_the_whole_organisation() -> None:
    assert LIMITS.beside(_member(Tier.FREE)) == (
        _of_organization(REQUESTS, 60),
        _of_organization(CONCURRENT, 4),
    )
    assert LIMITS.beside(_member(Tier.PREMIUM)) == (_of_organization(REQUESTS, 10**12),)


def test_a_tier_that_is_not_named_has_none() -> None:
    assert LIMITS.beside(_member(Tier.STANDARD)) == ()
    assert check_tier_limits({}) == TierLimits({})
    assert check_tier_limits({"free": {}}).beside(_member(Tier.FREE)) == ()


@pytest.mark.parametrize("amount", [1, 10**12])
def test_one_that_is_set_for_the_organisation_takes_its_place(amount: int) -> None:
    mine = _of_organization(REQUESTS, amount)
    assert LIMITS.beside(_member(Tier.FREE, mine)) == (_of_organization(CONCURRENT, 4),)


@pytest.mark.parametrize(
    "other",
    [
        _of_organization(TOKENS, 1),
        _of_organization(REQUESTS, 1, model="smollm2"),
        Limit(REQUESTS, Subject.TEAM, "t", 1),
        Limit(REQUESTS, Subject.USER, "u", 1),
    ],
)
def test_no_other_limit_does(other: Limit) -> None:
    assert len(LIMITS.beside(_member(Tier.FREE, other))) == 2


def test_as_it_ships_only_free_organisations_have_limits() -> None:
    limits = check_tier_limits(DEFAULT_TIER_LIMITS)
    kinds = {tier: {each.kind for each in limits.beside(_member(tier))} for tier in Tier}
    assert kinds == {Tier.FREE: set(LimitKind), Tier.STANDARD: set(), Tier.PREMIUM: set()}


NO_AMOUNTS: list[Any] = [0, -1, 10**12 + 1, 1.0, "canary", True, None, {}, []]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"canary": {}}, "a tier must be one of free, standard, premium"),
        ({"Free": {}}, "a tier must be one of free, standard, premium"),
        ({"free": 60}, "free: must be a JSON object"),
        ({"free": None}, "free: must be a JSON object"),
        ({"free": ["requests_per_minute"]}, "free: must be a JSON object"),
        (
            {"free": {"canary": 5}},
            "free: a limit must be one of requests_per_minute, tokens_per_minute, concurrent_req",
        ),
        *(
            ({"premium": {"tokens_per_minute": amount}}, "premium.tokens_per_minute: must be a w")
            for amount in NO_AMOUNTS
        ),
    ],
)
def test_what_is_none_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        check_tier_limits(given)
    assert "canary" not in str(caught.value)
