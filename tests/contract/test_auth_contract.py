"""The services of auth as their callers meet them: the real servicers behind real stubs."""

import json
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, TypeAlias

import grpc
import pytest
from jose import jws

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace.auth.v1 import (
    api_keys_pb2,
    api_keys_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    sessions_pb2,
    sessions_pb2_grpc,
)
from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.principal import (
    Budget,
    BudgetPeriod,
    CredentialKind,
    LimitKind,
    Role,
    Subject,
)
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth
from headrace_auth.testing.suites import keep
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

Keys: TypeAlias = api_keys_pb2_grpc.ApiKeyServiceStub
Sessions: TypeAlias = sessions_pb2_grpc.SessionServiceStub
Stub: TypeAlias = auth_pb2_grpc.AuthServiceStub


@pytest.fixture
def stub(auth: RunningAuth) -> Stub:
    return Stub(auth.channel)


@pytest.fixture
def sessions(auth: RunningAuth) -> Sessions:
    return Sessions(auth.channel)


@pytest.fixture
def keys(auth: RunningAuth) -> Keys:
    return Keys(auth.channel)


async def _resolve(stub: Stub, credential: str) -> auth_pb2.Principal:
    request = auth_pb2.ResolveCredentialRequest(credential=credential)
    response: auth_pb2.ResolveCredentialResponse = await stub.ResolveCredential(request, timeout=5)
    return response.principal


async def test_login_resolve_and_verify_with_the_published_key(
    stub: Stub, sessions: Sessions, clock: FakeClock
) -> None:
    request = sessions_pb2.LoginRequest(email=OWNER.email, password=PASSWORD)
    response = await sessions.Login(request, timeout=5)
    tokens = response.tokens
    assert (tokens.expires_in, tokens.token_type) == (1800, "Bearer")
    principal = await _resolve(stub, tokens.access_token)
    assert principal == response.principal
    assert principal.role == auth_pb2.ROLE_OWNER
    assert principal.credential_kind == auth_pb2.CREDENTIAL_KIND_ACCESS_TOKEN
    assert (principal.user_id, principal.organization_id) == (OWNER.user_id, ACME)
    assert list(principal.scopes) == sorted(SCOPES_OF_ROLE[Role.OWNER])
    assert tokens.scope == " ".join(principal.scopes)
    assert (principal.client_id, list(principal.allowed_networks)) == ("", [])
    assert set(principal.revocation_ids) >= {
        principal.credential_id,
        f"user:{OWNER.user_id}:1",
        f"member:{OWNER.user_id}:1",
        f"session:{tokens.session_id}",
        "organization:1",
    }

    published = await stub.GetJsonWebKeySet(auth_pb2.GetJsonWebKeySetRequest(), timeout=5)
    jwk = json.loads(published.keys[0].jwk_json)
    claims = json.loads(jws.verify(tokens.access_token, jwk, algorithms=["ES256"]))
    assert published.keys[0].kid == jws.get_unverified_header(tokens.access_token)["kid"]
    assert (claims["iss"], claims["aud"]) == (published.issuer, published.audience)
    assert (claims["sub"], claims["org"], claims["role"]) == (OWNER.user_id, ACME, "owner")
    assert claims["jti"] == principal.credential_id
    assert claims["exp"] == int((clock.now() + timedelta(minutes=30)).timestamp())


@pytest.mark.parametrize("email", [OWNER.email, "stranger@acme.test"])
async def test_a_failed_login_says_one_thing(sessions: Sessions, email: str) -> None:
    request = sessions_pb2.LoginRequest(email=email, password="wrong")
    error = await refusal(sessions.Login(request, timeout=5))
    assert error.reason is Reason.LOGIN_FAILED
    assert error.message == "Wrong e-mail address, password or code."


def _check_allowances(principal: auth_pb2.Principal) -> None:
    """Those of the key itself and of everything that its maker belongs to."""
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


async def test_a_key_from_making_to_revoking(
    stub: Stub, keys: Keys, auth: RunningAuth, clock: FakeClock
) -> None:
    metadata = await auth.bearer_of(MEMBER.email)
    request = api_keys_pb2.CreateApiKeyRequest(
        name="laptop",
        allowed_models=["smollm2"],
        requests_per_minute=60,
        expires_at=clock.now() + timedelta(days=1),
    )
    created = await keys.CreateApiKey(request, metadata=metadata, timeout=5)
    assert created.secret.startswith(f"hr_{created.api_key.api_key_id}_")
    assert list(created.api_key.scopes) == ["llm:invoke", "models:read"]
    assert created.api_key.requests_per_minute == 60
    assert not created.api_key.HasField("tokens_per_minute")

    principal = await _resolve(stub, created.secret)
    assert principal.credential_id == created.api_key.api_key_id
    assert principal.credential_kind == auth_pb2.CREDENTIAL_KIND_API_KEY
    assert list(principal.allowed_models) == ["smollm2"]
    assert principal.expires_at == request.expires_at
    _check_allowances(principal)

    listed = await keys.ListApiKeys(api_keys_pb2.ListApiKeysRequest(), metadata=metadata, timeout=5)
    assert list(listed.api_keys) == [created.api_key]
    assert listed.next_page_token == ""

    revocation = api_keys_pb2.RevokeApiKeyRequest(api_key_id=created.api_key.api_key_id)
    revoked = await keys.RevokeApiKey(revocation, metadata=metadata, timeout=5)
    assert revoked.api_key.HasField("revoked_at")
    assert auth.announcer.announced == [(ACME, created.api_key.api_key_id)]
    question = auth_pb2.ResolveCredentialRequest(credential=created.secret)
    error = await refusal(stub.ResolveCredential(question, timeout=5))
    assert error.reason is Reason.CREDENTIAL_INVALID


async def test_pages_are_followed_by_their_tokens(
    keys: Keys, auth: RunningAuth, clock: FakeClock
) -> None:
    metadata = await auth.bearer_of(MEMBER.email)
    for number in range(5):
        request = api_keys_pb2.CreateApiKeyRequest(name=f"key {number}")
        await keys.CreateApiKey(request, metadata=metadata, timeout=5)
        clock.advance(1)
    names, token = [], ""
    for _ in range(3):
        wanted = api_keys_pb2.ListApiKeysRequest(page_size=2, page_token=token)
        page = await keys.ListApiKeys(wanted, metadata=metadata, timeout=5)
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
    keys: Keys, metadata: tuple[tuple[str, str], ...], reason: Reason
) -> None:
    for call, request in (
        (keys.CreateApiKey, api_keys_pb2.CreateApiKeyRequest(name="x")),
        (keys.ListApiKeys, api_keys_pb2.ListApiKeysRequest()),
        (keys.RevokeApiKey, api_keys_pb2.RevokeApiKeyRequest(api_key_id="x")),
    ):
        error = await refusal(call(request, metadata=metadata, timeout=5))
        assert error.reason is reason


async def test_a_credential_given_twice_is_refused(keys: Keys, auth: RunningAuth) -> None:
    metadata = await auth.bearer_of(OWNER.email)
    request = api_keys_pb2.ListApiKeysRequest()
    error = await refusal(keys.ListApiKeys(request, metadata=metadata * 2, timeout=5))
    assert error.reason is Reason.CREDENTIAL_INVALID


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (api_keys_pb2.CreateApiKeyRequest(), "name"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", scopes=["root"]), "scopes"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", allowed_models=[""]), "allowed_models"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", requests_per_minute=0), "requests_per_minute"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", tokens_per_minute=2**63), "tokens_per_minute"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", expires_at={"seconds": 1}), "expires_at"),
        (api_keys_pb2.CreateApiKeyRequest(name="x", expires_at={"seconds": 2**62}), "expires_at"),
    ],
)
async def test_bad_fields_are_named(
    keys: Keys, auth: RunningAuth, request_: api_keys_pb2.CreateApiKeyRequest, param: str
) -> None:
    metadata = await auth.bearer_of(OWNER.email)
    error = await refusal(keys.CreateApiKey(request_, metadata=metadata, timeout=5))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)


async def test_another_organisations_key_does_not_exist(
    stub: Stub, keys: Keys, auth: RunningAuth
) -> None:
    request = api_keys_pb2.CreateApiKeyRequest(name="theirs")
    theirs = await keys.CreateApiKey(
        request, metadata=await auth.bearer_of(OUTSIDER.email), timeout=5
    )
    revocation = api_keys_pb2.RevokeApiKeyRequest(api_key_id=theirs.api_key.api_key_id)
    metadata = await auth.bearer_of(OWNER.email)
    error = await refusal(keys.RevokeApiKey(revocation, metadata=metadata, timeout=5))
    assert error.reason is Reason.RESOURCE_NOT_FOUND
    assert (await _resolve(stub, theirs.secret)).user_id == OUTSIDER.user_id


async def _told(stub: Stub, **since: Any) -> tuple[set[tuple[str, str]], Any]:
    request = auth_pb2.ListRevocationsRequest(**since)
    response = await stub.ListRevocations(request, timeout=5)
    ended = {(each.organization_id, each.revocation_id) for each in response.revocations}
    return ended, response.now


async def test_what_ended_is_told_to_whoever_asks_from_then_on(
    stub: Stub, keys: Keys, auth: RunningAuth, clock: FakeClock
) -> None:
    metadata = await auth.bearer_of(MEMBER.email)
    created = await keys.CreateApiKey(
        api_keys_pb2.CreateApiKeyRequest(name="x"), metadata=metadata, timeout=5
    )
    none, before = await _told(stub)
    assert (none, before.ToDatetime(tzinfo=UTC)) == (set(), clock.now())
    clock.advance(5)
    key_id = created.api_key.api_key_id
    revocation = api_keys_pb2.RevokeApiKeyRequest(api_key_id=key_id)
    await keys.RevokeApiKey(revocation, metadata=metadata, timeout=5)
    ended, after = await _told(stub, since=before)
    assert ended == {(ACME, key_id)}
    assert (await _told(stub))[0] == ended
    assert (await _told(stub, since=after))[0] == set()


async def test_what_ended_long_ago_is_not_told(
    stub: Stub, auth: RunningAuth, clock: FakeClock
) -> None:
    ages = {"old": timedelta(hours=1), "new": timedelta(minutes=59)}
    await keep(
        auth.store, *(Revocation(GLOBEX, name, clock.now() - age) for name, age in ages.items())
    )
    assert (await _told(stub))[0] == {(GLOBEX, "new")}
    assert (await _told(stub, since={"seconds": 1}))[0] == {(GLOBEX, "new")}


async def test_a_moment_that_is_none_is_refused(stub: Stub) -> None:
    request = auth_pb2.ListRevocationsRequest(since={"seconds": 2**62})
    error = await refusal(stub.ListRevocations(request, timeout=5))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "since")


async def test_a_key_says_from_where_it_may_be_used(
    stub: Stub, keys: Keys, auth: RunningAuth
) -> None:
    request = api_keys_pb2.CreateApiKeyRequest(name="office")
    created = await keys.CreateApiKey(
        request, metadata=await auth.bearer_of(OWNER.email), timeout=5
    )
    [key] = auth.store.rows[ApiKey].values()
    networks = ("192.0.2.0/24", "2001:db8::/32")
    auth.store.rows[ApiKey][key.api_key_id,] = replace(key, allowed_networks=networks)
    assert tuple((await _resolve(stub, created.secret)).allowed_networks) == networks


async def test_a_change_is_told_with_what_the_edge_saw(keys: Keys, auth: RunningAuth) -> None:
    metadata = (
        *await auth.bearer_of(OWNER.email),
        ("x-request-id", "req_1"),
        ("x-source-address", "2001:db8::7"),
        ("x-user-agent", "curl/8"),
    )
    request = api_keys_pb2.CreateApiKeyRequest(name="x")
    await keys.CreateApiKey(request, metadata=metadata, timeout=5)
    told = [AuditEvent.FromString(each.payload) for each in auth.store.rows[OutboxEvent].values()]
    [event] = (event for event in told if event.operation == "api_key.create")
    assert (event.request_id, event.source_address) == ("req_1", "2001:db8::7")
    assert (event.operation, event.actor.user_id) == ("api_key.create", OWNER.user_id)


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
    error = await refusal(stub.ResolveCredential(request, timeout=5))
    assert error.reason is reason


async def test_statuses_on_the_wire(keys: Keys) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await keys.ListApiKeys(api_keys_pb2.ListApiKeysRequest(), timeout=5)
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
