"""Resolving credentials: what counts is the database as it is now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import AccessClaims
from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.api_keys import ApiKey, ApiKeyText, mint
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import (
    CredentialKind,
    LimitKind,
    Principal,
    Role,
    Scope,
    Subject,
)
from headrace_auth.domain.revocation_ids import session_revocation
from headrace_auth.testing.directory import (
    ACME,
    CREATED_AT,
    GLOBEX,
    MEMBER,
    MEMBER_BUDGETS,
    MEMBER_LIMITS,
    PASSWORD,
)
from headrace_auth.testing.suites import keep
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.errors import HeadraceError, Reason, credential_invalid
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def created(login: Login, key_manager: KeyManager, clock: FakeClock) -> CreatedApiKey:
    caller = Caller(principal=(await login.log_in(Caller(), MEMBER.email, PASSWORD)).principal)
    request = ApiKeyRequest(
        "ci",
        frozenset({Scope.LLM_INVOKE, Scope.KEYS_READ}),
        ("smollm2",),
        clock.now() + timedelta(hours=1),
        ((LimitKind.REQUESTS_PER_MINUTE, 60),),
    )
    return await key_manager.create(caller, request)


HOUR = timedelta(hours=1)
CLAIMS = AccessClaims(
    token_id="01900000-0000-7000-8000-00000000cafe",
    user_id=MEMBER.user_id,
    organization_id=ACME,
    role="member",
    scopes=frozenset({Scope.LLM_INVOKE}),
    token_version=1,
    issued_at=CREATED_AT,
    expires_at=CREATED_AT,
    session_id="01900000-0000-7000-8000-00000000feed",
    client_id="third-party",
)


def _token_of(principal: Principal) -> str:
    return principal.credential_id


def _session_of(principal: Principal) -> str:
    return session_revocation(principal.session_id)


async def _expect_refusal(resolver: CredentialResolver, credential: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(credential)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    assert caught.value.message == credential_invalid().message


async def test_a_key_is_its_makers_principal_with_the_keys_restrictions(
    resolver: CredentialResolver, created: CreatedApiKey
) -> None:
    principal = await resolver.resolve(created.text.reveal())
    assert principal.credential_id == created.view.key.api_key_id
    assert principal.credential_kind is CredentialKind.API_KEY
    assert (principal.member.user_id, principal.member.organization_id) == (MEMBER.user_id, ACME)
    assert principal.scopes == {Scope.LLM_INVOKE, Scope.KEYS_READ}
    assert principal.allowed_models == ("smollm2",)
    assert principal.expires_at == created.view.key.expires_at
    own = [limit for limit in principal.limits if limit.subject is Subject.API_KEY]
    assert [(limit.kind, limit.amount) for limit in own] == [(LimitKind.REQUESTS_PER_MINUTE, 60)]
    assert set(principal.limits) == {*own, *MEMBER_LIMITS}
    assert principal.budgets == MEMBER_BUDGETS


async def test_unknown_and_wrong_secrets_are_refused_alike(
    resolver: CredentialResolver, created: CreatedApiKey
) -> None:
    stranger = mint(b"s" * 44)
    await _expect_refusal(resolver, stranger.reveal())
    await _expect_refusal(
        resolver, ApiKeyText(created.view.key.api_key_id, stranger.secret).reveal()
    )
    await _expect_refusal(resolver, ApiKeyText(stranger.api_key_id, created.text.secret).reveal())
    await _expect_refusal(resolver, created.text.reveal()[:-1])
    await _expect_refusal(resolver, "hr_")
    await _expect_refusal(resolver, "Basic b3duZXI6cGFzcw==")


async def test_a_malformed_key_is_refused_without_asking_the_store(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey
) -> None:
    text = created.text.reveal()
    store.rows.clear()
    del store.rows  # were it asked, it would fail
    await _expect_refusal(resolver, text[:-1] + ("0" if text[-1] != "0" else "1"))


async def test_a_key_expires_on_time(
    resolver: CredentialResolver, created: CreatedApiKey, clock: FakeClock
) -> None:
    clock.advance(3599)
    await resolver.resolve(created.text.reveal())
    clock.advance(1)
    await _expect_refusal(resolver, created.text.reveal())


async def test_a_shrunk_role_shrinks_the_key_and_leaving_ends_it(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey
) -> None:
    place = (MEMBER.user_id, ACME)
    membership = store.rows[Membership][place]
    store.rows[Membership][place] = replace(membership, role=Role.AUDITOR)
    assert (await resolver.resolve(created.text.reveal())).scopes == {Scope.KEYS_READ}
    del store.rows[Membership][place]
    await _expect_refusal(resolver, created.text.reveal())


async def test_a_token_follows_the_role_and_ends_with_the_membership(
    resolver: CredentialResolver, store: MemoryStore, login: Login
) -> None:
    token = (await login.log_in(Caller(), MEMBER.email, PASSWORD)).access_token
    place = (MEMBER.user_id, ACME)
    membership = store.rows[Membership][place]
    store.rows[Membership][place] = replace(membership, role=Role.SERVICE)
    principal = await resolver.resolve(token)
    assert principal.member.role is Role.SERVICE
    assert principal.scopes == {Scope.LLM_INVOKE, Scope.MODELS_READ}
    del store.rows[Membership][place]
    await _expect_refusal(resolver, token)


async def test_a_token_expires_on_time(
    resolver: CredentialResolver, login: Login, clock: FakeClock
) -> None:
    token = (await login.log_in(Caller(), MEMBER.email, PASSWORD)).access_token
    clock.advance(1799)
    await resolver.resolve(token)
    clock.advance(1)
    await _expect_refusal(resolver, token)


@pytest.mark.parametrize("ended", [_token_of, _session_of])
async def test_a_token_ends_when_it_or_its_session_is_ended(
    resolver: CredentialResolver,
    store: MemoryStore,
    tokens: AccessTokens,
    rotation: SigningKeyRotation,
    clock: FakeClock,
    ended: Callable[[Principal], str],
) -> None:
    token = tokens.sign(replace(CLAIMS, issued_at=clock.now(), expires_at=clock.now() + HOUR))
    principal = await resolver.resolve(token)
    assert (principal.session_id, principal.client_id) == (CLAIMS.session_id, CLAIMS.client_id)
    await keep(store, Revocation(GLOBEX, ended(principal), clock.now()))
    await resolver.resolve(token)  # another organisation's affair
    await keep(store, Revocation(ACME, ended(principal), clock.now()))
    await _expect_refusal(resolver, token)


async def test_who_is_disabled_has_neither_tokens_nor_keys(
    resolver: CredentialResolver, store: MemoryStore, login: Login, created: CreatedApiKey
) -> None:
    token = (await login.log_in(Caller(), MEMBER.email, PASSWORD)).access_token
    user = store.rows[User][MEMBER.user_id,]
    store.rows[User][MEMBER.user_id,] = replace(user, disabled_at=user.created_at)
    await _expect_refusal(resolver, token)
    await _expect_refusal(resolver, created.text.reveal())


async def test_a_rotated_keys_old_secret_works_for_a_while_and_says_so(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey, clock: FakeClock
) -> None:
    key, new = created.view.key, mint(b"n" * 44)
    until = clock.now() + timedelta(minutes=10)
    rotated = replace(
        key,
        secret_sha256=new.secret_sha256,
        previous_secret_sha256=key.secret_sha256,
        previous_secret_expires_at=until,
    )
    store.rows[ApiKey][key.api_key_id,] = rotated
    fresh = ApiKeyText(key.api_key_id, new.secret).reveal()
    assert (await resolver.resolve(fresh)).expires_at == key.expires_at
    assert (await resolver.resolve(created.text.reveal())).expires_at == until
    clock.advance(600)
    await _expect_refusal(resolver, created.text.reveal())
    await resolver.resolve(fresh)


async def test_a_key_that_only_signs_has_no_secret_to_show(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey
) -> None:
    key = created.view.key
    signing = replace(key, secret_sha256=None, signature_algorithm="ed25519")
    store.rows[ApiKey][key.api_key_id,] = signing
    await _expect_refusal(resolver, created.text.reveal())
