"""Prices and tiers from where they are set to the gateway's principal, with nothing lost."""

from datetime import timedelta
from typing import Any

import pytest

from headrace.auth.v1 import (
    api_keys_pb2,
    api_keys_pb2_grpc,
    auth_pb2,
    limits_pb2,
    limits_pb2_grpc,
)
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OUTSIDER, OWNER
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.principal import (
    Limit,
    LimitKind,
    ModelPrice,
    PriceTable,
    Principal,
    Tier,
)


def table(version: int, *models: str) -> PriceTable:
    """As the gateway has it: reading costs as much as the version says, writing is free."""
    return PriceTable(version, "EUR", tuple(ModelPrice(model, version, 0) for model in models))


async def set_prices(
    auth: RunningAuth, wanted: PriceTable, *, begins_in: timedelta | None = None
) -> None:
    """As the platform's owner."""
    request = limits_pb2.SetPriceTableRequest(
        currency=wanted.currency,
        prices=[
            auth_pb2.ModelPrice(
                model=each.model,
                input_micros_per_million_tokens=each.input_micros_per_million_tokens,
                output_micros_per_million_tokens=each.output_micros_per_million_tokens,
            )
            for each in wanted.prices
        ],
    )
    if begins_in is not None:
        request.effective_at.FromDatetime(auth.clock.now() + begins_in)
    stub = limits_pb2_grpc.LimitServiceStub(auth.channel)
    await stub.SetPriceTable(request, metadata=await auth.bearer_of(OWNER.email), timeout=5)


async def set_tier(auth: RunningAuth, tier: int, organization_id: str) -> None:
    """As the platform's owner."""
    request: Any = limits_pb2.SetTierRequest(organization_id=organization_id)
    request.tier = tier
    stub = limits_pb2_grpc.LimitServiceStub(auth.channel)
    await stub.SetTier(request, metadata=await auth.bearer_of(OWNER.email), timeout=5)


async def resolve(auth: RunningAuth, credential: str) -> Principal:
    """As a gateway that does not remember."""
    return await AuthClient(auth.channel, resolve_seconds=5).resolve(credential)


async def test_a_token_and_a_key_are_told_the_prices_of_their_models(auth: RunningAuth) -> None:
    request = api_keys_pb2.CreateApiKeyRequest(name="ci", allowed_models=["b", "unpriced"])
    keys = api_keys_pb2_grpc.ApiKeyServiceStub(auth.channel)
    metadata = await auth.bearer_of(MEMBER.email)
    key = (await keys.CreateApiKey(request, metadata=metadata, timeout=5)).secret
    token = await auth.token_of(MEMBER.email)
    assert [(await resolve(auth, each)).prices for each in (token, key)] == [None, None]
    await set_prices(auth, table(1, "b", "a"))
    told = [(await resolve(auth, each)).prices for each in (token, key)]
    assert told == [table(1, "a", "b"), table(1, "b")]


async def test_who_has_no_budget_is_told_no_prices(auth: RunningAuth) -> None:
    await set_prices(auth, table(1, "a"))
    principal = await resolve(auth, await auth.token_of(OUTSIDER.email))
    assert (principal.budgets, principal.prices) == ((), None)


async def test_prices_change_when_they_are_set_or_when_their_time_comes(auth: RunningAuth) -> None:
    token = await auth.token_of(MEMBER.email)
    told = []
    await set_prices(auth, table(1, "a"))
    await set_prices(auth, table(2, "a"), begins_in=timedelta(minutes=1))
    told.append((await resolve(auth, token)).prices)
    auth.clock.advance(59)
    told.append((await resolve(auth, token)).prices)
    auth.clock.advance(1)
    told.append((await resolve(auth, token)).prices)
    await set_prices(auth, table(3, "b"))
    told.append((await resolve(auth, token)).prices)
    assert told == [table(1, "a"), table(1, "a"), table(2, "a"), table(3, "b")]


async def test_a_tier_reaches_the_gateway_and_ends_what_it_knew(auth: RunningAuth) -> None:
    token = await auth.token_of(MEMBER.email)
    before = await resolve(auth, token)
    await set_tier(auth, auth_pb2.TIER_PREMIUM, ACME)
    after = await resolve(auth, token)
    assert (before.tier, after.tier) == (Tier.STANDARD, Tier.PREMIUM)
    ended = {each for place, each in auth.announcer.announced if place == ACME}
    assert ended & set(before.revocation_ids)
    assert not ended & set(after.revocation_ids)
    elsewhere = await resolve(auth, await auth.token_of(OUTSIDER.email))
    assert elsewhere.tier is Tier.STANDARD


async def test_a_tiers_limits_are_limits_of_the_organisation_unless_one_is_set() -> None:
    presets = {"free": {"requests_per_minute": 60, "tokens_per_minute": 9}}
    async with running_auth(FakeClock(), tier_limits=presets) as auth:
        token = await auth.token_of(OUTSIDER.email)
        assert (await resolve(auth, token)).limits == ()
        await set_tier(auth, auth_pb2.TIER_FREE, GLOBEX)
        whose = f"organization:{GLOBEX}"
        requests = Limit(LimitKind.REQUESTS_PER_MINUTE, whose, 60)
        tokens = Limit(LimitKind.TOKENS_PER_MINUTE, whose, 9)
        assert (await resolve(auth, token)).limits == (requests, tokens)
        raised = limits_pb2.SetLimitRequest(
            subject=auth_pb2.LIMIT_SUBJECT_ORGANIZATION,
            organization_id=GLOBEX,
            kind=auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE,
            amount=1000,
        )
        stub = limits_pb2_grpc.LimitServiceStub(auth.channel)
        await stub.SetLimit(raised, metadata=await auth.bearer_of(OWNER.email), timeout=5)
        mine = Limit(LimitKind.TOKENS_PER_MINUTE, whose, 1000)
        assert (await resolve(auth, token)).limits == (mine, requests)


@pytest.mark.parametrize("tier", [auth_pb2.TIER_STANDARD, auth_pb2.TIER_PREMIUM])
async def test_as_it_ships_these_tiers_bring_no_limits(auth: RunningAuth, tier: int) -> None:
    await set_tier(auth, tier, GLOBEX)
    assert (await resolve(auth, await auth.token_of(OUTSIDER.email))).limits == ()
