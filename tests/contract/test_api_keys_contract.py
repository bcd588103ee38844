"""ApiKeyService, and what AuthService knows of keys, as callers meet them: behind real stubs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc, auth_pb2, auth_pb2_grpc
from headrace_auth.testing.directory import ACME, MEMBER, OWNER, SERVICE, Person
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import Metadata, RunningAuth, running_auth
from headrace_common.errors import Reason
from headrace_common.ids import uuid7
from headrace_common.testing.clock import FakeClock

BUDGET = api_keys_pb2.ApiKeyBudget(
    amount_micros=5_000_000,
    currency="EUR",
    period=auth_pb2.BUDGET_PERIOD_WEEK,
    time_zone="Europe/Berlin",
)


@dataclass
class Auth:
    """A whole auth service and its stubs."""

    keys: Any
    auth: Any
    running: RunningAuth
    bearers: Mapping[str, Metadata]

    @property
    def clock(self) -> FakeClock:
        return self.running.clock

    def bearer(self, person: Person) -> Metadata:
        return self.bearers[person.user_id]

    async def create(self, person: Person = MEMBER, **fields: Any) -> Any:
        request = api_keys_pb2.CreateApiKeyRequest(**{"name": "key", **fields})
        return await self.keys.CreateApiKey(request, metadata=self.bearer(person), timeout=5)

    async def update(self, api_key_id: str, *paths: str, **fields: Any) -> Any:
        request = api_keys_pb2.UpdateApiKeyRequest(
            api_key_id=api_key_id, update_mask=FieldMask(paths=paths), **fields
        )
        return await self.keys.UpdateApiKey(request, metadata=self.bearer(MEMBER), timeout=5)

    async def resolve(self, credential: str) -> auth_pb2.Principal:
        request = auth_pb2.ResolveCredentialRequest(credential=credential)
        response: auth_pb2.ResolveCredentialResponse = await self.auth.ResolveCredential(
            request, timeout=5
        )
        return response.principal


@pytest.fixture
async def auth() -> AsyncIterator[Auth]:
    async with running_auth(FakeClock()) as running:
        bearers = {
            person.user_id: await running.bearer_of(person.email) for person in (MEMBER, OWNER)
        }
        yield Auth(
            api_keys_pb2_grpc.ApiKeyServiceStub(running.channel),
            auth_pb2_grpc.AuthServiceStub(running.channel),
            running,
            bearers,
        )


async def test_a_key_with_everything(auth: Auth) -> None:
    created = await auth.create(
        concurrent_requests=3,
        requests_per_minute=60,
        allowed_networks=["10.0.0.0/8", "2001:0db8::/32"],
        budget=BUDGET,
    )
    key = created.api_key
    assert list(key.allowed_networks) == ["10.0.0.0/8", "2001:db8::/32"]
    assert (key.concurrent_requests, key.requests_per_minute) == (3, 60)
    assert not key.HasField("tokens_per_minute")
    assert key.budget == BUDGET
    assert key.kind == api_keys_pb2.API_KEY_KIND_BEARER
    assert (key.use_count, key.HasField("last_used_at")) == (0, False)
    principal = await auth.resolve(created.secret)
    [budget] = [each for each in principal.budgets if each.subject_id == key.api_key_id]
    assert (budget.amount_micros, budget.period) == (5_000_000, auth_pb2.BUDGET_PERIOD_WEEK)
    got = await auth.keys.GetApiKey(
        api_keys_pb2.GetApiKeyRequest(api_key_id=key.api_key_id),
        metadata=auth.bearer(OWNER),
        timeout=5,
    )
    assert got.api_key == key


async def test_a_key_for_a_service_account(auth: Auth) -> None:
    created = await auth.create(OWNER, user_id=SERVICE.user_id, scopes=["llm:invoke"])
    assert created.api_key.created_by == SERVICE.user_id
    assert (await auth.resolve(created.secret)).role == auth_pb2.ROLE_SERVICE


async def test_what_the_mask_names_changes_and_what_is_absent_is_cleared(auth: Auth) -> None:
    made = await auth.create(
        requests_per_minute=60, tokens_per_minute=9, allowed_networks=["::/0"], budget=BUDGET
    )
    key_id = made.api_key.api_key_id
    update = await auth.update(
        key_id,
        *("requests_per_minute", "tokens_per_minute", "allowed_networks", "budget", "name"),
        requests_per_minute=30,
        name="new",
        allowed_models=["not named"],
    )
    expected = api_keys_pb2.ApiKey()
    expected.CopyFrom(made.api_key)
    expected.name, expected.requests_per_minute = "new", 30
    for field in ("tokens_per_minute", "budget", "allowed_networks"):
        expected.ClearField(field)
    assert update.api_key == expected
    assert auth.running.announcer.announced == [(ACME, f"key:{key_id}:1")]


async def test_all_that_is_set_can_be_changed(auth: Auth) -> None:
    expires_at = Timestamp()
    expires_at.FromDatetime(auth.clock.now() + timedelta(days=1))
    fields = {
        "name": "new",
        "scopes": ["models:read"],
        "allowed_models": ["echo"],
        "allowed_networks": ["10.0.0.0/8"],
        "expires_at": expires_at,
        "requests_per_minute": 1,
        "tokens_per_minute": 2,
        "concurrent_requests": 3,
        "budget": BUDGET,
    }
    made = await auth.create()
    updated = (await auth.update(made.api_key.api_key_id, *fields, **fields)).api_key
    for name, value in fields.items():
        assert getattr(updated, name) == value
    named = {field.name for field in api_keys_pb2.UpdateApiKeyRequest.DESCRIPTOR.fields}
    assert named == {*fields, "api_key_id", "update_mask"}


@pytest.mark.parametrize(
    ("paths", "fields", "param"),
    [
        ((), {}, "update_mask"),
        (("nonsense",), {}, "update_mask"),
        (("name", "secret"), {"name": "x"}, "update_mask"),
        (("name",), {}, "name"),
        (("scopes",), {}, "scopes"),
        (("scopes",), {"scopes": ["root"]}, "scopes"),
        (("expires_at",), {"expires_at": {"seconds": 1}}, "expires_at"),
        (("requests_per_minute",), {"requests_per_minute": 0}, "requests_per_minute"),
        (("concurrent_requests",), {"concurrent_requests": 2**63}, "concurrent_requests"),
        (("allowed_networks",), {"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks"),
        (("budget",), {"budget": api_keys_pb2.ApiKeyBudget()}, "budget.currency"),
    ],
)
async def test_bad_fields_of_a_change_are_named(
    auth: Auth, paths: tuple[str, ...], fields: dict[str, Any], param: str
) -> None:
    made = await auth.create()
    error = await refusal(auth.update(made.api_key.api_key_id, *paths, **fields))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks"),
        ({"concurrent_requests": 0}, "concurrent_requests"),
        ({"budget": {"currency": "EUR", "time_zone": "UTC"}}, "budget.period"),
        ({"budget": {"currency": "EUR", "time_zone": "UTC", "period": 99}}, "budget.period"),
        ({"budget": {"currency": "EUR", "time_zone": "Mars", "period": 1}}, "budget.time_zone"),
    ],
)
async def test_bad_fields_of_a_new_key_are_named(
    auth: Auth, fields: dict[str, Any], param: str
) -> None:
    error = await refusal(auth.create(**fields))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)


async def test_a_rotation_by_default_overlaps_for_a_day(auth: Auth) -> None:
    made = await auth.create()
    request = api_keys_pb2.RotateApiKeyRequest(api_key_id=made.api_key.api_key_id)
    rotated = await auth.keys.RotateApiKey(request, metadata=auth.bearer(MEMBER), timeout=5)
    ends = rotated.api_key.previous_secret_expires_at
    assert ends.seconds == int(auth.clock.now().timestamp()) + 86_400
    assert (await auth.resolve(made.secret)).expires_at == ends
    assert not (await auth.resolve(rotated.secret)).HasField("expires_at")
    request.overlap_seconds = 0
    again = await auth.keys.RotateApiKey(request, metadata=auth.bearer(MEMBER), timeout=5)
    for secret in (made.secret, rotated.secret):
        assert (await refusal(auth.resolve(secret))).reason is Reason.CREDENTIAL_INVALID
    assert (await auth.resolve(again.secret)).credential_id == made.api_key.api_key_id


async def test_uses_are_told_and_shown(auth: Auth) -> None:
    made = await auth.create()
    batch = auth_pb2.ReportKeyUsesRequest(
        batch_id=uuid7(auth.clock.now()),
        uses=[
            auth_pb2.KeyUse(
                api_key_id=made.api_key.api_key_id, count=3, last_used_at=auth.clock.now()
            )
        ],
    )
    for _ in range(2):
        await auth.auth.ReportKeyUses(batch, timeout=5)
    request = api_keys_pb2.ListApiKeysRequest()
    listed = await auth.keys.ListApiKeys(request, metadata=auth.bearer(MEMBER), timeout=5)
    [key] = listed.api_keys
    assert (key.use_count, key.last_used_at.ToDatetime()) == (
        3,
        auth.clock.now().replace(tzinfo=None),
    )
    batch.uses[0].ClearField("last_used_at")
    error = await refusal(auth.auth.ReportKeyUses(batch, timeout=5))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "uses.last_used_at")


@pytest.mark.parametrize("fields", [{}, {"created": {"seconds": 2**62}}])
async def test_a_signed_request_that_is_none_is_refused(auth: Auth, fields: dict[str, Any]) -> None:
    request = auth_pb2.ResolveSignedRequestRequest(key_id="x", nonce="n", **fields)
    error = await refusal(auth.auth.ResolveSignedRequest(request, timeout=5))
    assert error.reason is Reason.CREDENTIAL_INVALID


async def test_the_new_calls_need_a_credential(auth: Auth) -> None:
    for call, request in (
        (auth.keys.GetApiKey, api_keys_pb2.GetApiKeyRequest()),
        (auth.keys.UpdateApiKey, api_keys_pb2.UpdateApiKeyRequest()),
        (auth.keys.RotateApiKey, api_keys_pb2.RotateApiKeyRequest()),
        (auth.keys.CreateSigningCredential, api_keys_pb2.CreateSigningCredentialRequest()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
