"""Keys on PostgreSQL, and signatures with Redis: races, and what the tables take."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer
from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.adapters.redis_nonces import RedisNonces
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.domain.api_key_updates import ApiKeyUpdate
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.budgets import Allowance
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import BudgetPeriod, CredentialKind, LimitKind, Scope
from headrace_auth.domain.signed_requests import SignedRequest
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import MEMBER, OWNER, SERVICE
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.api_keys.signing_credentials import SigningCredentials
from headrace_auth.use_cases.credentials.resolve_signed import SignedRequestResolver
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason

DAY = timedelta(days=1)
REQUEST = ApiKeyRequest(
    name="key",
    scopes=frozenset({Scope.LLM_INVOKE}),
    allowed_models=("smollm2",),
    expires_at=None,
    rates=((LimitKind.CONCURRENT_REQUESTS, 3), (LimitKind.REQUESTS_PER_MINUTE, 60)),
    allowed_networks=("10.0.0.0/8", "2001:db8::/32"),
    budget=Allowance(10**15, "EUR", BudgetPeriod.WEEK, "Europe/Berlin"),
)


@pytest.fixture
async def store(auth_engine: AsyncEngine) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(auth_engine, timeout_seconds=5)
    await seed(store, "hash")
    yield store
    await store.close()


@pytest.fixture
def acts(store: PostgresStore) -> Acts:
    return Acts(store, MemoryRevocationAnnouncer(), SystemClock(), EntryEncoder("auth/test"))


@pytest.fixture
async def member(store: PostgresStore) -> Caller:
    return await caller_of(store, MEMBER)


async def test_a_key_comes_back_with_everything(
    store: PostgresStore, acts: Acts, member: Caller
) -> None:
    created = await KeyManager(acts, credential_notices()).create(member, REQUEST)
    stored = await store.principals.api_key(created.text.api_key_id)
    assert stored is not None
    assert (set(stored.limits), stored.budgets) == (
        set(created.view.limits),
        created.view.budgets,
    )
    got = await KeyManager(acts, credential_notices()).get(member, created.text.api_key_id)
    [listed] = (await KeyManager(acts, credential_notices()).page(member, None, 9)).items
    for view in (got, listed):
        assert view.key == stored.key
        assert (set(view.limits), view.budgets) == (set(stored.limits), stored.budgets)


async def test_a_change_of_everything_is_seen_at_once(
    store: PostgresStore, acts: Acts, member: Caller
) -> None:
    created = await KeyManager(acts, credential_notices()).create(member, REQUEST)
    daily = Allowance(0, "USD", BudgetPeriod.DAY, "UTC")
    update = ApiKeyUpdate(
        {"allowed_networks": (), "allowed_models": (), "name": "new"},
        {LimitKind.CONCURRENT_REQUESTS: None, LimitKind.TOKENS_PER_MINUTE: 10**12},
        (daily,),
    )
    view = await KeyChanger(acts, credential_notices()).update(
        member, created.text.api_key_id, update
    )
    stored = await store.principals.api_key(created.text.api_key_id)
    assert stored is not None
    assert stored.key == view.key
    assert (stored.key.version, stored.key.allowed_networks) == (2, ())
    amounts = {limit.kind: limit.amount for limit in stored.limits}
    assert amounts == {LimitKind.REQUESTS_PER_MINUTE: 60, LimitKind.TOKENS_PER_MINUTE: 10**12}
    assert stored.budgets == (daily.of_key(created.text.api_key_id),)


async def test_racing_rotations_and_changes_lose_nothing(
    store: PostgresStore, acts: Acts, member: Caller
) -> None:
    created = await KeyManager(acts, credential_notices()).create(member, REQUEST)
    key_id, changer = created.text.api_key_id, KeyChanger(acts, credential_notices())
    changes = [ApiKeyUpdate({"name": f"name {number}"}) for number in range(4)]
    rotated, changed = await asyncio.gather(
        asyncio.gather(*(changer.rotate(member, key_id, DAY) for _ in range(4))),
        asyncio.gather(*(changer.update(member, key_id, change) for change in changes)),
    )
    async with store.begin() as transaction:
        key = await transaction.of(ApiKey).get(key_id)
    assert key is not None
    assert key.version == 1 + len(rotated) + len(changed)
    now = SystemClock().now()
    working = [each for each in rotated if key.has_secret(each.text.secret_sha256, now)]
    assert len(working) == 2
    assert not key.has_secret(created.text.secret_sha256, now)


async def test_a_service_accounts_key_may_be_made_for_it_alone(
    store: PostgresStore, acts: Acts
) -> None:
    owner = await caller_of(store, OWNER)
    created = await KeyManager(acts, credential_notices()).create(
        owner, replace(REQUEST, user_id=SERVICE.user_id)
    )
    assert created.view.key.created_by == SERVICE.user_id
    for user_id in ("01900000-0000-7000-8000-0000000000cc", "no uuid", "\0"):
        with pytest.raises(HeadraceError) as caught:
            await KeyManager(acts, credential_notices()).create(
                owner, replace(REQUEST, user_id=user_id)
            )
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_signature_is_believed_by_one_of_many_replicas_once(
    store: PostgresStore, acts: Acts, member: Caller, redis_url: str
) -> None:
    sealer, clock = Sealer(b"k" * 32), SystemClock()
    credentials = SigningCredentials(acts, sealer, credential_notices())
    created = await credentials.create(member, REQUEST, algorithm="hmac-sha256", public_key="")
    assert created.secret is not None
    mac = hmac.HMAC(created.secret.reveal().encode(), hashes.SHA256())
    mac.update(b"base")
    key_id = created.view.key.api_key_id
    request = SignedRequest(key_id, "", b"base", mac.finalize(), clock.now(), "n")
    replicas = [RedisNonces(redis_url, timeout_seconds=5, maximum_connections=2) for _ in range(3)]
    try:
        answers = await asyncio.gather(
            *(
                SignedRequestResolver(store, sealer, nonces, clock).resolve(request)
                for nonces in replicas * 4
            ),
            return_exceptions=True,
        )
    finally:
        for nonces in replicas:
            await nonces.close()
    refused = [each for each in answers if isinstance(each, HeadraceError)]
    assert {each.reason for each in refused} == {Reason.CREDENTIAL_INVALID}
    [principal] = [each for each in answers if not isinstance(each, BaseException)]
    assert principal.credential_kind is CredentialKind.SIGNATURE
    assert len(refused) == len(answers) - 1
