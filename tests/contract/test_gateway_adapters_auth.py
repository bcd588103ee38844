"""The gateway's AuthClient against the real AuthService."""

import base64
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from headrace_gateway.http.native_schema import NewApiKeyBody
from prometheus_client import CollectorRegistry

from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.app import build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.settings import AuthSettings
from headrace_auth.testing.directory import ACME, ACME_TEAM, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.seeding import seed_memory
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.http.bodies import parse_body
from headrace_gateway.ports import ApiKey, NewApiKey

SETTINGS = AuthSettings(
    database_url="unused",
    redis_url="unused",
    key_encryption_key=base64.b64encode(b"k" * 32).decode(),
    argon2_time_cost=1,
    argon2_memory_kib=8,
    argon2_parallelism=1,
)
REQUESTS, TOKENS = LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE
MEMBER_LIMITS = (
    Limit(REQUESTS, f"organization:{ACME}", 1000),
    Limit(TOKENS, f"team:{ACME_TEAM}", 50_000, "smollm2"),
)
"""The directory's, without the one on concurrent requests, which no gateway enforces."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def auth(clock: FakeClock) -> AsyncIterator[AuthClient]:
    store, passwords = MemoryStore(), Passwords(SETTINGS.password_cost())
    seed_memory(store, await passwords.hash(PASSWORD))
    service = await build(
        SETTINGS,
        store=store,
        announcer=MemoryRevocationAnnouncer(),
        passwords=passwords,
        registry=CollectorRegistry(),
        clock=clock,
    )
    async with serving([service.servicer.registration()]) as channel:
        yield AuthClient(channel, resolve_seconds=5, account_seconds=5)
    await passwords.close()


async def token_of(auth: AuthClient, email: str) -> str:
    return (await auth.login(email, PASSWORD)).access_token


async def refusal(call: Awaitable[object]) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await call
    return caught.value


async def test_a_login_brings_a_token_and_its_principal(auth: AuthClient, clock: FakeClock) -> None:
    session = await auth.login(MEMBER.email, PASSWORD)
    assert session.expires_in_seconds == 1800
    assert session.principal == Principal(
        credential_id=session.principal.credential_id,
        user_id=MEMBER.user_id,
        organization_id=ACME,
        scopes=frozenset({"llm:invoke", "models:read", "keys:read", "keys:write"}),
        allowed_models=frozenset(),
        limits=MEMBER_LIMITS,
        expires_at=clock.now() + timedelta(minutes=30),
    )
    assert session.principal.credential_id
    assert await auth.resolve(session.access_token) == session.principal


async def test_a_wrong_password_is_a_failed_login(auth: AuthClient) -> None:
    error = await refusal(auth.login(MEMBER.email, "wrong"))
    assert error.reason is Reason.LOGIN_FAILED


async def test_a_key_is_made_as_asked_and_resolves_to_what_it_may_do(
    auth: AuthClient, clock: FakeClock
) -> None:
    expires_at = clock.now() + timedelta(days=1, microseconds=5)
    wanted = NewApiKey("laptop", ("llm:invoke",), ("smollm2", "echo"), expires_at, 60, 9000)
    key, secret = await auth.create_key(await token_of(auth, MEMBER.email), wanted)
    assert key == ApiKey(
        id=key.id,
        name="laptop",
        scopes=("llm:invoke",),
        allowed_models=("smollm2", "echo"),
        created_by=MEMBER.user_id,
        created_at=clock.now(),
        expires_at=expires_at,
        revoked_at=None,
        requests_per_minute=60,
        tokens_per_minute=9000,
    )
    own = (Limit(REQUESTS, f"api_key:{key.id}", 60), Limit(TOKENS, f"api_key:{key.id}", 9000))
    assert await auth.resolve(secret) == Principal(
        credential_id=key.id,
        user_id=MEMBER.user_id,
        organization_id=ACME,
        scopes=frozenset({"llm:invoke"}),
        allowed_models=frozenset({"smollm2", "echo"}),
        limits=own + MEMBER_LIMITS,
        expires_at=expires_at,
    )


async def test_what_was_not_asked_for_is_absent(auth: AuthClient) -> None:
    key, secret = await auth.create_key(await token_of(auth, OWNER.email), NewApiKey("plain"))
    assert (key.expires_at, key.requests_per_minute, key.tokens_per_minute) == (None, None, None)
    principal = await auth.resolve(secret)
    assert principal.expires_at is None
    assert principal.allowed_models == frozenset()
    assert principal.limits == (Limit(REQUESTS, f"organization:{ACME}", 1000),)


@pytest.mark.parametrize("credential", ["x", "hr_x", "a.b.c", "hr_\N{SNOWMAN}"])
async def test_a_wrong_credential_is_invalid_wherever_it_is_shown(
    auth: AuthClient, credential: str
) -> None:
    assert (await refusal(auth.resolve(credential))).reason is Reason.CREDENTIAL_INVALID


async def test_keys_are_handled_as_the_person_and_for_nobody_without_a_credential(
    auth: AuthClient,
) -> None:
    own, others = await token_of(auth, MEMBER.email), await token_of(auth, OUTSIDER.email)
    key, secret = await auth.create_key(own, NewApiKey("mine"))
    assert await auth.list_keys(own, 10, "") == ([key], "")
    assert await auth.list_keys(others, 10, "") == ([], "")
    assert (await refusal(auth.revoke_key(others, key.id))).reason is Reason.RESOURCE_NOT_FOUND
    assert (await refusal(auth.create_key(secret, NewApiKey("x")))).reason is (
        Reason.PERMISSION_DENIED
    )
    for call in (
        auth.create_key("x", NewApiKey("x")),
        auth.list_keys("x", 10, ""),
        auth.revoke_key("x", key.id),
    ):
        assert (await refusal(call)).reason is Reason.CREDENTIAL_INVALID


async def test_a_revoked_key_says_when_and_resolves_no_more(
    auth: AuthClient, clock: FakeClock
) -> None:
    token = await token_of(auth, MEMBER.email)
    key, secret = await auth.create_key(token, NewApiKey("lost"))
    clock.advance(60)
    assert await auth.revoke_key(token, key.id) == replace(key, revoked_at=clock.now())
    assert (await refusal(auth.resolve(secret))).reason is Reason.CREDENTIAL_INVALID


async def test_pages_follow_one_another(auth: AuthClient, clock: FakeClock) -> None:
    token = await token_of(auth, MEMBER.email)
    made = []
    for number in range(5):
        made.append((await auth.create_key(token, NewApiKey(f"key {number}")))[0])
        clock.advance(1)
    pages, page_token = [], ""
    for _ in range(3):
        page, page_token = await auth.list_keys(token, 2, page_token)
        pages.append(page)
    assert pages == [made[4:2:-1], made[2:0:-1], made[:1]]
    assert page_token == ""


LARGEST = 10**12


@pytest.mark.parametrize(
    ("field", "largest", "too_large"),
    [
        ("name", "n" * 100, "n" * 101),
        ("allowed_models", [f"m{i}" for i in range(100)], [f"m{i}" for i in range(101)]),
        ("requests_per_minute", LARGEST, LARGEST + 1),
        ("tokens_per_minute", LARGEST, LARGEST + 1),
    ],
)
async def test_the_gateway_allows_exactly_what_auth_allows(
    auth: AuthClient, field: str, largest: Any, too_large: Any
) -> None:
    token = await token_of(auth, MEMBER.email)
    document: dict[str, Any] = {"name": "key", field: largest}
    body = parse_body(NewApiKeyBody, NewApiKeyBody(**document).model_dump_json().encode())
    key, _ = await auth.create_key(token, body.domain())
    kept = getattr(key, field)
    assert (list(kept) if isinstance(kept, tuple) else kept) == largest
    with pytest.raises(ValueError, match=field):
        NewApiKeyBody(**{**document, field: too_large})
    beyond = replace(body.domain(), **{field: too_large})
    assert (await refusal(auth.create_key(token, beyond))).param == field
