"""Resolving credentials: what counts is the database as it is now."""

from dataclasses import replace
from datetime import timedelta

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.domain.api_keys import ApiKeyText, mint
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import CredentialKind, LimitKind, Role, Scope, Subject
from headrace_auth.testing.directory import (
    ACME,
    MEMBER,
    MEMBER_BUDGETS,
    MEMBER_LIMITS,
    PASSWORD,
)
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def created(login: Login, key_manager: KeyManager, clock: FakeClock) -> CreatedApiKey:
    principal = (await login.log_in(MEMBER.email, PASSWORD)).principal
    request = ApiKeyRequest(
        "ci",
        frozenset({Scope.LLM_INVOKE, Scope.KEYS_READ}),
        ("smollm2",),
        clock.now() + timedelta(hours=1),
        ((LimitKind.REQUESTS_PER_MINUTE, 60),),
    )
    return await key_manager.create(principal, request)


async def _refused(resolver: CredentialResolver, credential: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(credential)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    assert caught.value.message == "the credential is not valid"


async def test_a_key_is_its_makers_principal_with_the_keys_restrictions(
    resolver: CredentialResolver, created: CreatedApiKey
) -> None:
    principal = await resolver.resolve(created.text.reveal())
    assert principal.credential_id == created.key.api_key_id
    assert principal.credential_kind is CredentialKind.API_KEY
    assert (principal.member.user_id, principal.member.organization_id) == (MEMBER.user_id, ACME)
    assert principal.scopes == {Scope.LLM_INVOKE, Scope.KEYS_READ}
    assert principal.allowed_models == ("smollm2",)
    assert principal.expires_at == created.key.expires_at
    own = [limit for limit in principal.limits if limit.subject is Subject.API_KEY]
    assert [(limit.kind, limit.amount) for limit in own] == [(LimitKind.REQUESTS_PER_MINUTE, 60)]
    assert set(principal.limits) == {*own, *MEMBER_LIMITS}
    assert principal.budgets == MEMBER_BUDGETS


async def test_unknown_and_wrong_secrets_are_refused_alike(
    resolver: CredentialResolver, created: CreatedApiKey
) -> None:
    stranger = mint(b"s" * 44)
    await _refused(resolver, stranger.reveal())
    await _refused(resolver, ApiKeyText(created.key.api_key_id, stranger.secret).reveal())
    await _refused(resolver, ApiKeyText(stranger.api_key_id, created.text.secret).reveal())
    await _refused(resolver, created.text.reveal()[:-1])
    await _refused(resolver, "hr_")
    await _refused(resolver, "Basic b3duZXI6cGFzcw==")


async def test_a_malformed_key_is_refused_without_asking_the_store(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey
) -> None:
    text = created.text.reveal()
    store.tables.keys.clear()  # were it asked, it would not know even the right key
    del store.tables.users  # and would fail
    await _refused(resolver, text[:-1] + ("0" if text[-1] != "0" else "1"))


async def test_a_key_expires_on_time(
    resolver: CredentialResolver, created: CreatedApiKey, clock: FakeClock
) -> None:
    clock.advance(3599)
    await resolver.resolve(created.text.reveal())
    clock.advance(1)
    await _refused(resolver, created.text.reveal())


async def test_a_shrunk_role_shrinks_the_key_and_leaving_ends_it(
    resolver: CredentialResolver, store: MemoryStore, created: CreatedApiKey
) -> None:
    place = (MEMBER.user_id, ACME)
    membership = store.tables.memberships[place]
    store.tables.memberships[place] = replace(membership, role=Role.AUDITOR)
    assert (await resolver.resolve(created.text.reveal())).scopes == {Scope.KEYS_READ}
    del store.tables.memberships[place]
    await _refused(resolver, created.text.reveal())


async def test_a_token_follows_the_role_and_ends_with_the_membership(
    resolver: CredentialResolver, store: MemoryStore, login: Login
) -> None:
    token = (await login.log_in(MEMBER.email, PASSWORD)).access_token
    place = (MEMBER.user_id, ACME)
    membership = store.tables.memberships[place]
    store.tables.memberships[place] = replace(membership, role=Role.SERVICE)
    principal = await resolver.resolve(token)
    assert principal.member.role is Role.SERVICE
    assert principal.scopes == {Scope.LLM_INVOKE, Scope.MODELS_READ}
    del store.tables.memberships[place]
    await _refused(resolver, token)


async def test_a_token_expires_on_time(
    resolver: CredentialResolver, login: Login, clock: FakeClock
) -> None:
    token = (await login.log_in(MEMBER.email, PASSWORD)).access_token
    clock.advance(1799)
    await resolver.resolve(token)
    clock.advance(1)
    await _refused(resolver, token)
