"""AuthService as its callers meet it: the real servicer behind a real stub."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import grpc
import pytest
from jose import jws
from prometheus_client import CollectorRegistry

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.app import build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.principal import (
    Budget,
    BudgetPeriod,
    CredentialKind,
    LimitKind,
    Role,
    Subject,
)
from headrace_auth.settings import AuthSettings
from headrace_auth.testing.directory import ACME, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.seeding import seed_memory
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

SETTINGS = AuthSettings(
    database_url="unused",
    redis_url="unused",
    key_encryption_key=base64.b64encode(b"k" * 32).decode(),
    issuer="https://headrace.test",
    argon2_time_cost=1,
    argon2_memory_kib=8,
    argon2_parallelism=1,
)
Stub: TypeAlias = auth_pb2_grpc.AuthServiceStub
Bearer = Callable[[str], Awaitable[tuple[tuple[str, str], ...]]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def announcer() -> MemoryRevocationAnnouncer:
    return MemoryRevocationAnnouncer()


@pytest.fixture
async def stub(clock: FakeClock, announcer: MemoryRevocationAnnouncer) -> AsyncIterator[Stub]:
    store, passwords = MemoryStore(), Passwords(SETTINGS.password_cost())
    seed_memory(store, await passwords.hash(PASSWORD))
    service = await build(
        SETTINGS,
        store=store,
        announcer=announcer,
        passwords=passwords,
        registry=CollectorRegistry(),
        clock=clock,
    )
    async with serving([service.servicer.registration()]) as channel:
        yield Stub(channel)
    await passwords.close()


@pytest.fixture
def bearer(stub: Stub) -> Bearer:
    async def log_in(email: str) -> tuple[tuple[str, str], ...]:
        request = auth_pb2.LoginRequest(email=email, password=PASSWORD)
        response = await stub.Login(request, timeout=5)
        return (("authorization", f"Bearer {response.access_token}"),)

    return log_in


async def _refusal(call: Awaitable[Any]) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("auth"):
        await call
    return caught.value


async def _resolve(stub: Stub, credential: str) -> auth_pb2.Principal:
    request = auth_pb2.ResolveCredentialRequest(credential=credential)
    response: auth_pb2.ResolveCredentialResponse = await stub.ResolveCredential(request, timeout=5)
    return response.principal


async def test_login_resolve_and_verify_with_the_published_key(
    stub: Stub, clock: FakeClock
) -> None:
    request = auth_pb2.LoginRequest(email=OWNER.email, password=PASSWORD)
    response = await stub.Login(request, timeout=5)
    assert response.expires_in_seconds == 1800
    principal = await _resolve(stub, response.access_token)
    assert principal == response.principal
    assert principal.role == auth_pb2.ROLE_OWNER
    assert principal.credential_kind == auth_pb2.CREDENTIAL_KIND_ACCESS_TOKEN
    assert (principal.user_id, principal.organization_id) == (OWNER.user_id, ACME)
    assert list(principal.scopes) == ["keys:read", "keys:write", "llm:invoke", "models:read"]

    published = await stub.GetJsonWebKeySet(auth_pb2.GetJsonWebKeySetRequest(), timeout=5)
    jwk = json.loads(published.keys[0].jwk_json)
    claims = json.loads(jws.verify(response.access_token, jwk, algorithms=["ES256"]))
    assert published.keys[0].kid == jws.get_unverified_header(response.access_token)["kid"]
    assert (claims["iss"], claims["aud"]) == (published.issuer, published.audience)
    assert (claims["sub"], claims["org"], claims["role"]) == (OWNER.user_id, ACME, "owner")
    assert claims["jti"] == principal.credential_id
    assert claims["exp"] == int((clock.now() + timedelta(minutes=30)).timestamp())


@pytest.mark.parametrize("email", [OWNER.email, "stranger@acme.test"])
async def test_a_failed_login_says_one_thing(stub: Stub, email: str) -> None:
    request = auth_pb2.LoginRequest(email=email, password="wrong")
    refusal = await _refusal(stub.Login(request, timeout=5))
    assert refusal.reason is Reason.LOGIN_FAILED
    assert refusal.message == "Wrong e-mail address or password."


async def test_a_key_from_making_to_revoking(
    stub: Stub, bearer: Bearer, announcer: MemoryRevocationAnnouncer, clock: FakeClock
) -> None:
    metadata = await bearer(MEMBER.email)
    request = auth_pb2.CreateApiKeyRequest(
        name="laptop",
        allowed_models=["smollm2"],
        requests_per_minute=60,
        expires_at=clock.now() + timedelta(days=1),
    )
    created = await stub.CreateApiKey(request, metadata=metadata, timeout=5)
    assert created.secret.startswith(f"hr_{created.api_key.api_key_id}_")
    assert list(created.api_key.scopes) == ["llm:invoke", "models:read"]
    assert created.api_key.requests_per_minute == 60
    assert not created.api_key.HasField("tokens_per_minute")

    principal = await _resolve(stub, created.secret)
    assert principal.credential_id == created.api_key.api_key_id
    assert principal.credential_kind == auth_pb2.CREDENTIAL_KIND_API_KEY
    assert list(principal.allowed_models) == ["smollm2"]
    assert principal.expires_at == request.expires_at
    subjects = {limit.subject: limit.amount for limit in principal.limits}
    assert subjects == {
        auth_pb2.LIMIT_SUBJECT_API_KEY: 60,
        auth_pb2.LIMIT_SUBJECT_USER: 4,
        auth_pb2.LIMIT_SUBJECT_TEAM: 50_000,
        auth_pb2.LIMIT_SUBJECT_ORGANIZATION: 1000,
    }
    (budget,) = principal.budgets
    assert (budget.amount_micros, budget.currency) == (10_000_000, "EUR")
    assert (budget.period, budget.time_zone) == (auth_pb2.BUDGET_PERIOD_MONTH, "Europe/Berlin")

    listed = await stub.ListApiKeys(auth_pb2.ListApiKeysRequest(), metadata=metadata, timeout=5)
    assert list(listed.api_keys) == [created.api_key]
    assert listed.next_page_token == ""

    revocation = auth_pb2.RevokeApiKeyRequest(api_key_id=created.api_key.api_key_id)
    revoked = await stub.RevokeApiKey(revocation, metadata=metadata, timeout=5)
    assert revoked.api_key.HasField("revoked_at")
    assert announcer.announced == [created.api_key.api_key_id]
    question = auth_pb2.ResolveCredentialRequest(credential=created.secret)
    refusal = await _refusal(stub.ResolveCredential(question, timeout=5))
    assert refusal.reason is Reason.CREDENTIAL_INVALID


async def test_pages_are_followed_by_their_tokens(
    stub: Stub, bearer: Bearer, clock: FakeClock
) -> None:
    metadata = await bearer(MEMBER.email)
    for number in range(5):
        request = auth_pb2.CreateApiKeyRequest(name=f"key {number}")
        await stub.CreateApiKey(request, metadata=metadata, timeout=5)
        clock.advance(1)
    names, token = [], ""
    for _ in range(3):
        wanted = auth_pb2.ListApiKeysRequest(page_size=2, page_token=token)
        page = await stub.ListApiKeys(wanted, metadata=metadata, timeout=5)
        names += [key.name for key in page.api_keys]
        token = page.next_page_token
    assert names == [f"key {number}" for number in (4, 3, 2, 1, 0)]
    assert token == ""


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), Reason.CREDENTIAL_MISSING),
        ((("authorization", "Bearer "),), Reason.CREDENTIAL_MISSING),
        ((("authorization", ""),), Reason.CREDENTIAL_INVALID),
        ((("authorization", "Basic eDp5"),), Reason.CREDENTIAL_INVALID),
        ((("authorization", "Bearer x.y.z"),), Reason.CREDENTIAL_INVALID),
        ((("authorization", "Bearer " + "x" * 4097),), Reason.CREDENTIAL_INVALID),
    ],
)
async def test_people_must_show_their_credential(
    stub: Stub, metadata: tuple[tuple[str, str], ...], reason: Reason
) -> None:
    for call, request in (
        (stub.CreateApiKey, auth_pb2.CreateApiKeyRequest(name="x")),
        (stub.ListApiKeys, auth_pb2.ListApiKeysRequest()),
        (stub.RevokeApiKey, auth_pb2.RevokeApiKeyRequest(api_key_id="x")),
    ):
        refusal = await _refusal(call(request, metadata=metadata, timeout=5))
        assert refusal.reason is reason


async def test_a_credential_given_twice_is_refused(stub: Stub, bearer: Bearer) -> None:
    metadata = await bearer(OWNER.email)
    request = auth_pb2.ListApiKeysRequest()
    refusal = await _refusal(stub.ListApiKeys(request, metadata=metadata * 2, timeout=5))
    assert refusal.reason is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (auth_pb2.CreateApiKeyRequest(), "name"),
        (auth_pb2.CreateApiKeyRequest(name="x", scopes=["root"]), "scopes"),
        (auth_pb2.CreateApiKeyRequest(name="x", allowed_models=[""]), "allowed_models"),
        (auth_pb2.CreateApiKeyRequest(name="x", requests_per_minute=0), "requests_per_minute"),
        (auth_pb2.CreateApiKeyRequest(name="x", tokens_per_minute=2**63), "tokens_per_minute"),
        (auth_pb2.CreateApiKeyRequest(name="x", expires_at={"seconds": 1}), "expires_at"),
        (auth_pb2.CreateApiKeyRequest(name="x", expires_at={"seconds": 2**62}), "expires_at"),
    ],
)
async def test_bad_fields_are_named(
    stub: Stub, bearer: Bearer, request_: auth_pb2.CreateApiKeyRequest, param: str
) -> None:
    metadata = await bearer(OWNER.email)
    refusal = await _refusal(stub.CreateApiKey(request_, metadata=metadata, timeout=5))
    assert (refusal.reason, refusal.param) == (Reason.INVALID_FIELD, param)


async def test_another_organisations_key_does_not_exist(stub: Stub, bearer: Bearer) -> None:
    request = auth_pb2.CreateApiKeyRequest(name="theirs")
    theirs = await stub.CreateApiKey(request, metadata=await bearer(OUTSIDER.email), timeout=5)
    revocation = auth_pb2.RevokeApiKeyRequest(api_key_id=theirs.api_key.api_key_id)
    metadata = await bearer(OWNER.email)
    refusal = await _refusal(stub.RevokeApiKey(revocation, metadata=metadata, timeout=5))
    assert refusal.reason is Reason.RESOURCE_NOT_FOUND
    assert (await _resolve(stub, theirs.secret)).user_id == OUTSIDER.user_id


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ("", Reason.CREDENTIAL_MISSING),
        ("x", Reason.CREDENTIAL_INVALID),
        ("hr_" + "x" * 100_000, Reason.CREDENTIAL_INVALID),
        ("hr_\N{SNOWMAN}", Reason.CREDENTIAL_INVALID),
        ("eyJ\0.\0.\0", Reason.CREDENTIAL_INVALID),
    ],
)
async def test_text_that_is_no_credential(stub: Stub, credential: str, reason: Reason) -> None:
    request = auth_pb2.ResolveCredentialRequest(credential=credential)
    refusal = await _refusal(stub.ResolveCredential(request, timeout=5))
    assert refusal.reason is reason


async def test_statuses_on_the_wire(stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListApiKeys(auth_pb2.ListApiKeysRequest(), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("domain", "proto", "prefix"),
    [
        (Role, auth_pb2.Role, "ROLE_"),
        (CredentialKind, auth_pb2.CredentialKind, "CREDENTIAL_KIND_"),
        (LimitKind, auth_pb2.LimitKind, "LIMIT_KIND_"),
        (Subject, auth_pb2.LimitSubject, "LIMIT_SUBJECT_"),
        (BudgetPeriod, auth_pb2.BudgetPeriod, "BUDGET_PERIOD_"),
    ],
)
def test_enumerations_have_the_same_members(domain: Any, proto: Any, prefix: str) -> None:
    names = {prefix + member.name for member in domain}
    assert names | {prefix + "UNSPECIFIED"} == set(proto.keys())


def test_messages_carry_every_field_of_a_budget() -> None:
    assert {field.name for field in auth_pb2.Budget.DESCRIPTOR.fields} == set(Budget.__slots__)
