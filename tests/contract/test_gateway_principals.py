"""Limits and budgets from where they are set to the gateway's principal, with nothing lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.auth.v1 import (
    api_keys_pb2,
    api_keys_pb2_grpc,
    auth_pb2,
    limits_pb2,
    limits_pb2_grpc,
)
from headrace_auth.domain import principal as told
from headrace_auth.servicers.messages import principal_message
from headrace_auth.testing.directory import ACME, MEMBER, OWNER, Person
from headrace_auth.testing.service import RunningAuth
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.principals import to_principal
from headrace_gateway.domain.principal import Budget, BudgetPeriod, Limit, LimitKind

AMOUNTS = st.integers(min_value=0, max_value=2**64 - 1)
NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
LIMITS = st.builds(
    told.Limit,
    kind=st.sampled_from(told.LimitKind),
    subject=st.sampled_from(told.Subject),
    subject_id=NAMES,
    amount=AMOUNTS,
    model=NAMES,
)
BUDGETS = st.builds(
    told.Budget,
    subject=st.sampled_from(told.Subject),
    subject_id=NAMES,
    amount_micros=AMOUNTS,
    currency=NAMES,
    period=st.sampled_from(told.BudgetPeriod),
    time_zone=NAMES,
    model=NAMES,
)
MONEY: dict[str, Any] = {
    "amount_micros": 2_500_001,
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
}


async def _as(auth: RunningAuth, person: Person) -> dict[str, Any]:
    token = await auth.token_of(person.email)
    return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 5}


@given(st.lists(LIMITS, max_size=4), st.lists(BUDGETS, max_size=4))
def test_every_limit_and_budget_arrives_as_auth_has_it(
    limits: list[told.Limit], budgets: list[told.Budget]
) -> None:
    member = told.Member("u", "o", told.Role.MEMBER, token_version=1)
    sent = principal_message(
        told.Principal(
            "k", told.CredentialKind.API_KEY, member, frozenset(), tuple(limits), tuple(budgets)
        )
    )
    got = to_principal(auth_pb2.Principal.FromString(sent.SerializeToString()))
    assert got.not_understood == ()
    assert [
        (each.kind.name, each.subject, each.amount, each.model or "") for each in got.limits
    ] == [
        (each.kind.name, f"{each.subject}:{each.subject_id}", each.amount, each.model)
        for each in limits
    ]
    assert [
        (
            *(each.subject, each.amount_micros, each.currency),
            *(each.period.name, each.time_zone, each.model or ""),
        )
        for each in got.budgets
    ] == [
        (
            *(f"{each.subject}:{each.subject_id}", each.amount_micros, each.currency),
            *(each.period.name, each.time_zone, each.model),
        )
        for each in budgets
    ]


async def test_a_keys_own_limits_and_budget_reach_the_gateway(auth: RunningAuth) -> None:
    created = await api_keys_pb2_grpc.ApiKeyServiceStub(auth.channel).CreateApiKey(
        api_keys_pb2.CreateApiKeyRequest(
            name="laptop",
            concurrent_requests=2,
            budget=api_keys_pb2.ApiKeyBudget(period=auth_pb2.BUDGET_PERIOD_WEEK, **MONEY),
        ),
        **await _as(auth, MEMBER),
    )
    own = f"api_key:{created.api_key.api_key_id}"
    principal = await AuthClient(auth.channel, resolve_seconds=5).resolve(created.secret)
    assert Limit(LimitKind.CONCURRENT_REQUESTS, own, 2) in principal.limits
    assert principal.budgets == (
        Budget(own, 2_500_001, "EUR", BudgetPeriod.WEEK, "Europe/Berlin"),
        Budget(f"organization:{ACME}", 10_000_000, "EUR", BudgetPeriod.MONTH, "Europe/Berlin"),
    )


async def test_what_is_set_later_reaches_the_gateway_with_the_next_resolution(
    auth: RunningAuth,
) -> None:
    resolver, token = AuthClient(auth.channel, resolve_seconds=5), await auth.token_of(MEMBER.email)
    before = await resolver.resolve(token)
    limits, owner = limits_pb2_grpc.LimitServiceStub(auth.channel), await _as(auth, OWNER)
    whose: dict[str, Any] = {
        "subject": auth_pb2.LIMIT_SUBJECT_USER,
        "subject_id": MEMBER.user_id,
        "model": "m",
    }
    day = auth_pb2.BUDGET_PERIOD_DAY
    await limits.SetBudget(limits_pb2.SetBudgetRequest(**whose, **MONEY, period=day), **owner)
    in_flight = auth_pb2.LIMIT_KIND_CONCURRENT_REQUESTS
    await limits.SetLimit(limits_pb2.SetLimitRequest(**whose, kind=in_flight, amount=7), **owner)
    after, own = await resolver.resolve(token), f"user:{MEMBER.user_id}"
    assert set(after.budgets) - set(before.budgets) == {
        Budget(own, 2_500_001, "EUR", BudgetPeriod.DAY, "Europe/Berlin", "m")
    }
    assert set(after.limits) - set(before.limits) == {
        Limit(LimitKind.CONCURRENT_REQUESTS, own, 7, "m")
    }
    assert after.revocation_ids != before.revocation_ids
