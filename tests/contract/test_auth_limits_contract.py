"""LimitService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc, limits_pb2, limits_pb2_grpc
from headrace_auth.domain.rights import Action
from headrace_auth.testing.administration_service import AdministrationService, serving_auth
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    MEMBER,
    OUTSIDER,
    OWNER,
)
from headrace_auth.testing.refusals import refusal, refused
from headrace_common.errors import Reason

METHODS = [method.name for method in limits_pb2.DESCRIPTOR.services_by_name["LimitService"].methods]
USER = {"subject": auth_pb2.LIMIT_SUBJECT_USER, "subject_id": MEMBER.user_id}
RATE = {"kind": auth_pb2.LIMIT_KIND_REQUESTS_PER_MINUTE}
DAY = {"period": auth_pb2.BUDGET_PERIOD_DAY}
MONEY = {"amount_micros": 5_000_000, "currency": "EUR", "time_zone": "Europe/Berlin"}
PRICES = [
    auth_pb2.ModelPrice(
        model=model, input_micros_per_million_tokens=5, output_micros_per_million_tokens=10
    )
    for model in ("smollm2", "a")
]


@pytest.fixture
async def auth() -> AsyncIterator[AdministrationService]:
    async with serving_auth(limits_pb2_grpc.LimitServiceStub) as service:
        yield service


def request_of(name: str, **fields: Any) -> Any:
    """The call's request."""
    return getattr(limits_pb2, f"{name}Request")(**fields)


async def test_a_limit_from_setting_to_lifting(auth: AdministrationService) -> None:
    set_ = request_of("SetLimit", **USER, **RATE, model="smollm2", amount=60)
    made = (await auth.call(ADMIN, "SetLimit", set_)).limit
    assert (made.subject, made.subject_id) == (USER["subject"], MEMBER.user_id)
    assert (made.kind, made.model, made.amount) == (RATE["kind"], "smollm2", 60)
    listed = await auth.call(AUDITOR, "ListLimits", request_of("ListLimits", **USER))
    assert made in listed.limits
    remove = request_of("RemoveLimit", **USER, **RATE, model="smollm2")
    assert (await auth.call(ADMIN, "RemoveLimit", remove)).limit == made
    assert await refused(auth.call(ADMIN, "RemoveLimit", remove)) is Reason.RESOURCE_NOT_FOUND


async def test_a_budget_from_setting_to_lifting(auth: AdministrationService) -> None:
    set_ = request_of("SetBudget", **USER, **DAY, **MONEY)
    made = (await auth.call(ADMIN, "SetBudget", set_)).budget
    assert (made.amount_micros, made.currency) == (5_000_000, "EUR")
    assert (made.period, made.time_zone, made.model) == (DAY["period"], "Europe/Berlin", "")
    listed = await auth.call(MEMBER, "ListBudgets", request_of("ListBudgets"))
    assert made in listed.budgets
    remove = request_of("RemoveBudget", **USER, **DAY)
    assert (await auth.call(ADMIN, "RemoveBudget", remove)).budget == made


async def test_what_is_set_is_what_gateways_are_told_from_then_on(
    auth: AdministrationService,
) -> None:
    resolver = auth_pb2_grpc.AuthServiceStub(auth.running.channel)
    question = auth_pb2.ResolveCredentialRequest(credential=await auth.token(MEMBER))
    before = (await resolver.ResolveCredential(question, timeout=5)).principal
    await auth.call(OWNER, "SetLimit", request_of("SetLimit", **USER, **RATE, amount=60))
    after = (await resolver.ResolveCredential(question, timeout=5)).principal
    assert 60 in {limit.amount for limit in after.limits}
    ended = {each for place, each in auth.running.announcer.announced if place == ACME}
    assert ended & set(before.revocation_ids)
    assert not ended & set(after.revocation_ids)


async def test_an_organisations_limit_needs_no_id(auth: AdministrationService) -> None:
    whole = {"subject": auth_pb2.LIMIT_SUBJECT_ORGANIZATION}
    for place in ("", GLOBEX):
        set_ = request_of("SetLimit", **whole, **RATE, amount=9, organization_id=place)
        made = (await auth.call(OWNER, "SetLimit", set_)).limit
        assert made.subject_id == (place or ACME)
    listed = await auth.call(
        OWNER, "ListLimits", request_of("ListLimits", **whole, organization_id=GLOBEX)
    )
    assert [limit.subject_id for limit in listed.limits] == [GLOBEX]
    refused_ = auth.call(OUTSIDER, "SetLimit", request_of("SetLimit", **whole, **RATE, amount=9))
    assert await refused(refused_) is Reason.PERMISSION_DENIED


async def test_limits_come_in_pages(auth: AdministrationService) -> None:
    for number in range(4):
        model = f"{number}" + "\N{SNOWMAN}" * 199
        await auth.call(
            OWNER, "SetLimit", request_of("SetLimit", **USER, **RATE, model=model, amount=9)
        )
    models, token = [], ""
    for _ in range(9):
        page = await auth.call(
            OWNER, "ListLimits", request_of("ListLimits", page_size=2, page_token=token)
        )
        models += [(each.subject_id, each.kind, each.model) for each in page.limits]
        token = page.next_page_token
        if not token:
            break
    assert token == ""
    assert len(models) == len(set(models)) == 8


async def test_prices_from_setting_to_reading(auth: AdministrationService) -> None:
    call = auth.call(OWNER, "GetPriceTable", request_of("GetPriceTable"))
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    set_ = request_of("SetPriceTable", currency="EUR", prices=PRICES)
    made = (await auth.call(OWNER, "SetPriceTable", set_)).price_table
    assert (made.version, made.currency, made.effective_at) == (1, "EUR", made.created_at)
    assert list(made.prices) == sorted(PRICES, key=lambda price: price.model)
    assert OWNER.user_id not in str(made)
    for person, version in ((OUTSIDER, 0), (MEMBER, 1)):
        get = request_of("GetPriceTable", version=version)
        assert (await auth.call(person, "GetPriceTable", get)).price_table == made


async def test_a_tier_from_giving_to_reading(auth: AdministrationService) -> None:
    premium = auth_pb2.TIER_PREMIUM
    for place in ("", GLOBEX):
        request = request_of("SetTier", organization_id=place, tier=premium)
        changed = (await auth.call(OWNER, "SetTier", request)).organization
        assert (changed.organization_id, changed.tier) == (place or ACME, premium)
    unknown = request_of("SetTier", organization_id="x", tier=premium)
    assert await refused(auth.call(OWNER, "SetTier", unknown)) is Reason.RESOURCE_NOT_FOUND
    own = request_of("SetTier", organization_id=GLOBEX, tier=premium)
    assert await refused(auth.call(OUTSIDER, "SetTier", own)) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("name", "fields", "param"),
    [
        ("SetLimit", {**RATE, "amount": 1}, "subject"),
        ("SetLimit", {"subject": 99, **RATE, "amount": 1}, "subject"),
        ("SetLimit", {**USER, "amount": 1}, "kind"),
        ("SetLimit", {**USER, "kind": 99, "amount": 1}, "kind"),
        ("SetLimit", {**USER, **RATE}, "amount"),
        ("SetLimit", {**USER, **RATE, "amount": 2**64 - 1}, "amount"),
        ("SetLimit", {**USER, **RATE, "amount": 1, "model": "\n"}, "model"),
        ("RemoveLimit", {**USER}, "kind"),
        ("SetBudget", {**USER, **MONEY}, "period"),
        ("SetBudget", {**USER, **DAY, **MONEY, "currency": "euro"}, "currency"),
        ("SetBudget", {**USER, **DAY, **MONEY, "time_zone": "../../etc/passwd"}, "time_zone"),
        ("SetBudget", {**USER, **DAY, **MONEY, "amount_micros": 2**64 - 1}, "amount_micros"),
        ("RemoveBudget", {**DAY}, "subject"),
        ("ListLimits", {"page_size": 101}, "page_size"),
        ("ListLimits", {"page_token": "x"}, "page_token"),
        ("ListBudgets", {"page_token": "WzEsMiwzLDRd"}, "page_token"),
        ("SetTier", {"organization_id": ACME}, "tier"),
        ("SetTier", {"organization_id": ACME, "tier": 99}, "tier"),
        ("SetPriceTable", {"currency": "EUR"}, "prices"),
        ("SetPriceTable", {"prices": PRICES}, "currency"),
        ("SetPriceTable", {"currency": "EUR", "prices": [*PRICES, PRICES[0]]}, "prices"),
        (
            "SetPriceTable",
            {"currency": "EUR", "prices": PRICES, "effective_at": {"seconds": 1}},
            "effective_at",
        ),
        (
            "SetPriceTable",
            {"currency": "EUR", "prices": PRICES, "effective_at": {"seconds": 2**62}},
            "effective_at",
        ),
    ],
)
async def test_bad_fields_are_named(
    auth: AdministrationService, name: str, fields: dict[str, Any], param: str
) -> None:
    error = await refusal(auth.call(OWNER, name, request_of(name, **fields)))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)


async def test_another_organisations_subjects_do_not_exist(auth: AdministrationService) -> None:
    subjects = {
        auth_pb2.LIMIT_SUBJECT_TEAM: ACME_TEAM,
        auth_pb2.LIMIT_SUBJECT_USER: ADMIN.user_id,
        auth_pb2.LIMIT_SUBJECT_API_KEY: "0" * 17,
    }
    for subject, subject_id in subjects.items():
        named = {"subject": subject, "subject_id": subject_id}
        for place in ("", ACME):
            calls = {
                "SetLimit": {**named, **RATE, "amount": 1},
                "RemoveLimit": {**named, **RATE},
                "SetBudget": {**named, **DAY, **MONEY},
                "RemoveBudget": {**named, **DAY},
            }
            for name, fields in calls.items():
                call = auth.call(OUTSIDER, name, request_of(name, **fields, organization_id=place))
                assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    for name in ("ListLimits", "ListBudgets"):
        call = auth.call(OUTSIDER, name, request_of(name, organization_id=ACME))
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND
        assert ACME not in str(await auth.call(OUTSIDER, name, request_of(name)))


@pytest.mark.parametrize("name", METHODS)
async def test_every_call_needs_a_credential(auth: AdministrationService, name: str) -> None:
    assert await refused(auth.call(None, name, request_of(name))) is Reason.CREDENTIAL_MISSING


@pytest.mark.parametrize("name", METHODS)
def test_every_call_is_in_the_table_of_rights(name: str) -> None:
    assert name in list(Action)
