"""Applications are registered, re-keyed and revoked by administrators, and what that ends."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.oauth_clients import (
    ClientRequest,
    GrantType,
    OAuthClient,
    has_client_secret,
)
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Scope
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.domain.sessions import Session
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    AUDITOR,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.oauth_suites import CODE
from headrace_auth.testing.refusals import refusal
from headrace_auth.use_cases.acts import AT_ONCE, Acts
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.oauth.manage_clients import ClientManager
from headrace_auth.use_cases.oauth.store import StoredOAuth
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener
from headrace_common.errors import Reason
from headrace_common.testing.clock import FakeClock

WANTED = ClientRequest(
    name="Notebook",
    redirect_uris=("https://app.example/callback",),
    grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN}),
    scopes=frozenset({Scope.LLM_INVOKE, Scope.KEYS_READ}),
)
MACHINE = replace(
    WANTED,
    redirect_uris=(),
    grant_types=frozenset({GrantType.CLIENT_CREDENTIALS}),
    service_user_id=SERVICE.user_id,
)


@pytest.fixture
def clients(acts: Acts) -> ClientManager:
    return ClientManager(acts, credential_notices())


@pytest.fixture
def oauth(
    acts: Acts, store: MemoryStore, opener: SessionOpener, tokens: AccessTokens, clock: FakeClock
) -> StoredOAuth:
    return StoredOAuth(acts, store.principals, opener, tokens, clock)


@pytest.fixture
async def admin(store: MemoryStore) -> Caller:
    return await caller_of(store, ADMIN)


async def test_a_client_gets_a_secret_that_is_kept_as_a_digest(
    clients: ClientManager, admin: Caller, store: MemoryStore
) -> None:
    created = await clients.create(admin, WANTED)
    kept = store.rows[OAuthClient][created.client.client_id,]
    assert kept == created.client
    assert (kept.organization_id, kept.created_by) == (ACME, ADMIN.user_id)
    assert opaque_secrets.parse(TokenPrefix.CLIENT_SECRET, created.secret)
    assert has_client_secret(kept, created.secret)
    assert created.secret not in repr(created)
    assert created.client.client_id.isalnum()


async def test_a_public_client_gets_none(clients: ClientManager, admin: Caller) -> None:
    public = replace(WANTED, public=True, redirect_uris=("http://127.0.0.1/callback",))
    created = await clients.create(admin, public)
    assert (created.secret, created.client.is_public) == ("", True)
    refused = await refusal(clients.rotate_secret(admin, created.client.client_id))
    assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, "client_id")


async def test_a_client_has_no_more_scopes_than_its_maker(
    clients: ClientManager, store: MemoryStore, admin: Caller
) -> None:
    wide = replace(WANTED, scopes=frozenset({Scope.LLM_INVOKE, Scope.PLATFORM_WRITE}))
    refused = await refusal(clients.create(admin, wide))
    assert (refused.reason, "platform:write" in refused.message) == (
        Reason.PERMISSION_DENIED,
        True,
    )
    assert (await clients.create(await caller_of(store, OWNER), wide)).secret
    narrow = await caller_of(store, OWNER, scopes=frozenset({Scope.CLIENTS_WRITE}))
    assert (await refusal(clients.create(narrow, WANTED))).reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_only_administrators_manage_clients(
    clients: ClientManager, store: MemoryStore, admin: Caller, person: Person
) -> None:
    client_id = (await clients.create(admin, WANTED)).client.client_id
    caller = await caller_of(store, person)
    for call in (
        clients.create(caller, WANTED),
        clients.rotate_secret(caller, client_id),
        clients.revoke(caller, client_id),
    ):
        assert (await refusal(call)).reason is Reason.PERMISSION_DENIED


async def test_an_application_makes_no_applications(
    clients: ClientManager, store: MemoryStore
) -> None:
    through_app = await caller_of(store, OWNER, client_id="another")
    refused = await refusal(clients.create(through_app, WANTED))
    assert refused.reason is Reason.PERMISSION_DENIED


async def test_another_organisations_client_does_not_exist(
    clients: ClientManager, store: MemoryStore, admin: Caller
) -> None:
    client_id = (await clients.create(admin, WANTED)).client.client_id
    outsider = await caller_of(store, OUTSIDER)
    for name in (client_id, "nothing", "a\x00b"):
        for call in (clients.rotate_secret(outsider, name), clients.revoke(outsider, name)):
            assert (await refusal(call)).reason is Reason.RESOURCE_NOT_FOUND
    assert (await clients.page(outsider, None, 10)).items == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": ""}, "name"),
        ({"redirect_uris": ("http://app.example/",)}, "redirect_uris"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"scopes": frozenset()}, "scopes"),
        ({"grant_types": frozenset()}, "grant_types"),
        ({"service_user_id": SERVICE.user_id}, "service_user_id"),
    ],
)
async def test_a_client_that_breaks_a_rule_is_refused(
    clients: ClientManager, admin: Caller, change: dict[str, Any], param: str
) -> None:
    refused = await refusal(clients.create(admin, replace(WANTED, **change)))
    assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, param)


@pytest.mark.parametrize(
    "user_id", [MEMBER.user_id, OUTSIDER.user_id, "no-uuid", "a\x00b", SERVICE.user_id[:-1] + "f"]
)
async def test_client_credentials_need_a_service_account_of_the_organisation(
    clients: ClientManager, admin: Caller, user_id: str
) -> None:
    refused = await refusal(clients.create(admin, replace(MACHINE, service_user_id=user_id)))
    assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, "service_user_id")


async def test_a_disabled_service_account_is_none(
    clients: ClientManager, admin: Caller, store: MemoryStore, clock: FakeClock
) -> None:
    async with store.begin() as transaction:
        user = await transaction.of(User).get(SERVICE.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, disabled_at=clock.now()))
    assert (await refusal(clients.create(admin, MACHINE))).param == "service_user_id"


async def test_clients_are_listed_in_pages(
    clients: ClientManager, admin: Caller, store: MemoryStore, clock: FakeClock
) -> None:
    made = []
    for number in range(5):
        made.append((await clients.create(admin, replace(WANTED, name=f"n{number}"))).client)
        clock.advance(1)
    first = await clients.page(await caller_of(store, AUDITOR), None, 3)
    assert first.items == made[:1:-1]
    rest = await clients.page(admin, first.next_position, 3)
    assert (rest.items, rest.next_position) == (made[1::-1], None)
    member = await caller_of(store, MEMBER)
    assert (await refusal(clients.page(member, None, 3))).reason is Reason.PERMISSION_DENIED


async def test_a_rotated_secret_is_the_only_one(
    clients: ClientManager, admin: Caller, store: MemoryStore
) -> None:
    created = await clients.create(admin, WANTED)
    rotated = await clients.rotate_secret(admin, created.client.client_id)
    kept = store.rows[OAuthClient][created.client.client_id,]
    assert has_client_secret(kept, rotated.secret)
    assert not has_client_secret(kept, created.secret)
    assert rotated.secret not in repr(rotated)


async def test_a_revoked_client_ends_with_all_of_its_tokens(
    clients: ClientManager,
    admin: Caller,
    oauth: StoredOAuth,
    resolver: CredentialResolver,
    announcer: MemoryRevocationAnnouncer,
    store: MemoryStore,
) -> None:
    client = (await clients.create(admin, WANTED)).client
    machine = (await clients.create(admin, MACHINE)).client
    ports = oauth.ports(Caller())
    code = replace(CODE, client_id=client.client_id, redirect_uri=client.redirect_uris[0])
    person = await ports.issuer.issue_for_user(code, client, refreshable=True)
    service = await ports.issuer.issue_for_client(machine, machine.scopes)
    assert (await resolver.resolve(person.access_token)).client_id == client.client_id
    announcer.announced.clear()
    for each, token in ((client, person.access_token), (machine, service.access_token)):
        principal = await resolver.resolve(token)
        revoked = await clients.revoke(admin, each.client_id)
        assert not revoked.is_live
        assert (ACME, f"client:{each.client_id}") in announcer.announced
        assert f"client:{each.client_id}" in principal.revocation_ids
        assert (await refusal(resolver.resolve(token))).reason is Reason.CREDENTIAL_INVALID
        assert await ports.tokens.describe(token) is None
    [session] = store.rows[Session].values()
    assert session.ended_at is not None
    again = await clients.revoke(admin, client.client_id)
    assert again.revoked_at == (await clients.page(admin, None, 9)).items[-1].revoked_at
    refused = await refusal(clients.rotate_secret(admin, client.client_id))
    assert refused.reason is Reason.INVALID_FIELD


async def test_every_session_is_ended_however_many_there_are(
    clients: ClientManager, admin: Caller, store: MemoryStore, opener: SessionOpener, acts: Acts
) -> None:
    client = (await clients.create(admin, WANTED)).client
    async with acts.begin(admin) as act:
        user = await act.of(User).get(MEMBER.user_id)
        assert user is not None
        own = await opener.open(act, user, ACME)
        for _ in range(2 * AT_ONCE + 1):
            await opener.open(act, user, ACME, client_id=client.client_id)
    await clients.revoke(admin, client.client_id)
    live = [each for each in store.rows[Session].values() if each.ended_at is None]
    assert live == [own.session]


async def test_two_revocations_at_once_are_one(clients: ClientManager, admin: Caller) -> None:
    client_id = (await clients.create(admin, WANTED)).client.client_id
    both = await asyncio.gather(*(clients.revoke(admin, client_id) for _ in range(2)))
    assert both[0] == both[1]


async def test_the_default_rights_of_roles_hold_for_applications(
    clients: ClientManager, admin: Caller, oauth: StoredOAuth, resolver: CredentialResolver
) -> None:
    machine = (await clients.create(admin, MACHINE)).client
    issued = await oauth.ports(Caller()).issuer.issue_for_client(machine, machine.scopes)
    principal = await resolver.resolve(issued.access_token)
    assert principal.member.user_id == SERVICE.user_id
    assert principal.scopes == machine.scopes & SCOPES_OF_ROLE[principal.member.role]
    assert (principal.session_id, principal.client_id) == ("", machine.client_id)
