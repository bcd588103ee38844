"""Limits and budgets of a principal: all are carried; what is not understood refuses."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from headrace.auth.v1 import auth_pb2
from headrace_gateway.adapters.principals import KINDS, PERIODS, SUBJECTS, TIERS, to_principal
from headrace_gateway.domain.principal import (
    Budget,
    BudgetPeriod,
    Limit,
    LimitKind,
    ModelPrice,
    PriceTable,
    Tier,
)
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

CHAT = "/v1/chat/completions"
BODY = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
BUDGET = Budget("team:t", 9_007_199_254_740_993, "EUR", BudgetPeriod.WEEK, "Europe/Berlin", "m")
KIND_LATER, SUBJECT_LATER, PERIOD_LATER, TIER_LATER = 4, 5, 4, 4
"""Numbers that only a later release gives a meaning."""


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


async def _ask(gateway: Gateway) -> int:
    return (await gateway.client.post(CHAT, json=BODY)).status_code


def test_every_value_that_the_proto_has_is_understood() -> None:
    for known, enum in (
        (KINDS, auth_pb2.LimitKind),
        (SUBJECTS, auth_pb2.LimitSubject),
        (PERIODS, auth_pb2.BudgetPeriod),
    ):
        assert set(known) == set(enum.values()) - {0}
        assert len(set(known.values())) == len(known)
    assert set(TIERS) == set(auth_pb2.Tier.values())
    assert set(TIERS.values()) == set(Tier)


def test_money_keeps_its_last_millionth() -> None:
    message = auth_pb2.Principal()
    message.budgets.add(
        subject=auth_pb2.LIMIT_SUBJECT_TEAM,
        subject_id="t",
        amount_micros=BUDGET.amount_micros,  # 2^53 + 1: no float holds it
        currency="EUR",
        period=auth_pb2.BUDGET_PERIOD_WEEK,
        time_zone="Europe/Berlin",
        model="m",
    )
    principal = to_principal(message)
    assert (principal.budgets, principal.not_understood) == ((BUDGET,), ())


def test_what_only_a_newer_gateway_knows_is_named_and_the_rest_carried() -> None:
    message = auth_pb2.Principal()
    user = {"subject": auth_pb2.LIMIT_SUBJECT_USER, "subject_id": "u"}
    message.limits.add(kind=auth_pb2.LIMIT_KIND_CONCURRENT_REQUESTS, amount=3, **user)
    message.limits.add(kind=KIND_LATER, amount=1, **user)
    message.limits.add(kind=KIND_LATER, amount=2, model="m", **user)
    message.limits.add(kind=auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE, subject=SUBJECT_LATER)
    message.budgets.add(period=PERIOD_LATER, **user)
    message.budgets.add(period=auth_pb2.BUDGET_PERIOD_DAY)
    message.MergeFromString(_tier(TIER_LATER))
    received = auth_pb2.Principal.FromString(message.SerializeToString())
    principal = to_principal(received)
    assert principal.limits == (Limit(LimitKind.CONCURRENT_REQUESTS, "user:u", 3),)
    assert principal.budgets == ()
    assert principal.not_understood == (
        "tier 4",
        "limit kind 4",
        "limit subject 5",
        "budget period 4",
        "budget subject 0",
    )


@pytest.mark.parametrize(
    ("sent", "tier"),
    [
        (auth_pb2.TIER_UNSPECIFIED, Tier.STANDARD),
        (auth_pb2.TIER_FREE, Tier.FREE),
        (auth_pb2.TIER_STANDARD, Tier.STANDARD),
        (auth_pb2.TIER_PREMIUM, Tier.PREMIUM),
    ],
)
def test_a_tier_is_carried_and_without_one_it_is_standard(sent: int, tier: Tier) -> None:
    principal = to_principal(auth_pb2.Principal.FromString(_tier(sent)))
    assert (principal.tier, principal.not_understood) == (tier, ())


def _tier(number: int) -> bytes:
    """A principal with any number as its tier."""
    return bytes([auth_pb2.Principal.TIER_FIELD_NUMBER << 3, number])


def test_all_who_are_told_the_same_prices_share_one_table() -> None:
    message = auth_pb2.Principal()
    assert to_principal(message).prices is None
    price = {"input_micros_per_million_tokens": 0, "output_micros_per_million_tokens": 2**53 + 1}
    message.prices.CopyFrom(
        auth_pb2.PriceTable(version=3, currency="EUR", prices=[{"model": "m", **price}])
    )
    first = to_principal(message)
    assert first.prices == PriceTable(3, "EUR", (ModelPrice("m", 0, 2**53 + 1),))
    message.credential_id = "another"
    assert to_principal(message).prices is first.prices
    message.prices.version = 4
    assert to_principal(message).prices == replace(first.prices, version=4)


async def test_what_is_known_of_a_principal_keeps_its_limits_and_budgets(gateway: Gateway) -> None:
    rich = replace(PRINCIPAL, budgets=(BUDGET,))  # of another model
    gateway.accounts.principals[KEY] = rich
    assert await _ask(gateway) == 200
    gateway.accounts.unavailable = True
    gateway.clock.advance(60)
    assert await _ask(gateway) == 200
    assert gateway.events.exchanges[-1].principal is rich


async def test_a_limit_that_only_a_newer_gateway_knows_refuses_models_for_now(
    gateway: Gateway,
) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, not_understood=("limit kind 4",))
    with capture_logs() as logs:
        answer = await gateway.client.post(CHAT, json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_serving")
    assert answer.headers["retry-after"] == "10"
    [line] = [each for each in logs if each["event"] == "limit_not_understood"]
    assert line["kind"] == "limit kind 4"
    assert (await gateway.client.get("/v1/models")).status_code == 503


async def test_it_can_be_lifted_through_the_same_gateway(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, not_understood=("limit kind 4",))
    gateway.accounts.answers["LimitService/ListLimits"] = AccountAnswer(
        {"limits": [], "next_page_token": ""}
    )
    assert (await gateway.client.get("/api/v1/limits")).status_code == 200
    gateway.limiter.revoked.add(("org_1", "member:user_1:1"))
    lifted = replace(PRINCIPAL, revocation_ids=("test", "member:user_1:2"))
    gateway.accounts.principals[KEY] = lifted
    assert await _ask(gateway) == 200


async def test_who_is_held_back_is_still_held_to_its_rates(gateway: Gateway) -> None:
    rate = Limit(LimitKind.REQUESTS_PER_MINUTE, "user:user_1", 2)
    gateway.accounts.principals[KEY] = replace(
        PRINCIPAL, limits=(rate,), not_understood=("limit kind 4",)
    )
    assert [await _ask(gateway) for _ in range(3)] == [503, 503, 429]
