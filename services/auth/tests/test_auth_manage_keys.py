"""Making, listing and revoking keys: within the caller's rights and organisation."""

import pytest

from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import Principal, Scope
from headrace_auth.domain.rights import DEFAULT_KEY_SCOPES
from headrace_auth.testing.directory import (
    ADMIN,
    AUDITOR,
    MEMBER,
    OUTSIDER,
    OWNER,
    PASSWORD,
    SERVICE,
    Person,
)
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


class Actors:
    """Logs people in and acts for them."""

    def __init__(self, login: Login, keys: KeyManager) -> None:
        self._login = login
        self.keys = keys

    async def principal(self, person: Person) -> Principal:
        return (await self._login.log_in(person.email, PASSWORD)).principal

    async def create(self, person: Person, *scopes: Scope) -> CreatedApiKey:
        request = ApiKeyRequest("key", frozenset(scopes), (), None, ())
        return await self.keys.create(await self.principal(person), request)

    async def list(self, person: Person) -> list[ApiKey]:
        return (await self.keys.page(await self.principal(person), None, 100)).keys

    async def revoke(self, person: Person, key: ApiKey) -> ApiKey:
        return await self.keys.revoke(await self.principal(person), key.api_key_id)


@pytest.fixture
def actors(login: Login, key_manager: KeyManager) -> Actors:
    return Actors(login, key_manager)


async def test_scopes_default_to_calling_models(actors: Actors) -> None:
    assert (await actors.create(MEMBER)).key.scopes == DEFAULT_KEY_SCOPES


async def test_only_the_digest_is_kept(actors: Actors, store: MemoryStore) -> None:
    created = await actors.create(MEMBER)
    row = store.tables.keys[created.key.api_key_id]
    assert row == (created.key, created.text.secret_sha256)
    assert created.text.secret not in repr(row)
    assert created.text.secret not in repr(created)


async def test_two_keys_are_never_alike(actors: Actors) -> None:
    assert (await actors.create(MEMBER)).text != (await actors.create(MEMBER)).text


@pytest.mark.parametrize("person", [AUDITOR, SERVICE])
async def test_auditors_and_services_make_no_keys(actors: Actors, person: Person) -> None:
    with pytest.raises(HeadraceError) as caught:
        await actors.create(person)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_a_key_has_at_most_its_makers_scopes(
    actors: Actors, store: MemoryStore, resolver: CredentialResolver
) -> None:
    whole = await actors.principal(OWNER)
    scopes = frozenset({Scope.KEYS_WRITE, Scope.LLM_INVOKE})
    narrow = Principal(
        whole.credential_id, whole.credential_kind, whole.member, scopes, whole.limits, ()
    )
    request = ApiKeyRequest("key", frozenset({Scope.MODELS_READ}), (), None, ())
    with pytest.raises(HeadraceError, match="models:read") as caught:
        await actors.keys.create(narrow, request)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert store.tables.keys == {}


async def test_a_key_makes_no_keys(actors: Actors, resolver: CredentialResolver) -> None:
    created = await actors.create(OWNER, *Scope)
    principal = await resolver.resolve(created.text.reveal())
    request = ApiKeyRequest("key", frozenset(), (), None, ())
    with pytest.raises(HeadraceError) as caught:
        await actors.keys.create(principal, request)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_who_sees_which_keys(actors: Actors) -> None:
    members = (await actors.create(MEMBER)).key
    owners = (await actors.create(OWNER)).key
    theirs = (await actors.create(OUTSIDER)).key
    for person in (OWNER, ADMIN, AUDITOR):
        assert {key.api_key_id for key in await actors.list(person)} == {
            members.api_key_id,
            owners.api_key_id,
        }
    assert await actors.list(MEMBER) == [members]
    assert await actors.list(OUTSIDER) == [theirs]


async def test_pages_end(actors: Actors, clock: FakeClock) -> None:
    made = []
    for _ in range(4):
        made.insert(0, (await actors.create(MEMBER)).key)
        clock.advance(0.000001)
    principal = await actors.principal(MEMBER)
    first = await actors.keys.page(principal, None, 2)
    assert first.next_position is not None
    second = await actors.keys.page(principal, first.next_position, 2)
    assert (first.keys + second.keys, second.next_position) == (made, None)


async def test_a_revoked_key_is_dead_and_announced(
    actors: Actors,
    resolver: CredentialResolver,
    announcer: MemoryRevocationAnnouncer,
    clock: FakeClock,
) -> None:
    created = await actors.create(MEMBER)
    key_id = created.key.api_key_id
    revoked_at = clock.now()
    assert (await actors.revoke(MEMBER, created.key)).revoked_at == revoked_at
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(created.text.reveal())
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    clock.advance(5)
    assert (await actors.revoke(MEMBER, created.key)).revoked_at == revoked_at
    assert announcer.announced == [key_id, key_id]


async def test_who_revokes_whose_keys(actors: Actors, announcer: MemoryRevocationAnnouncer) -> None:
    owners = (await actors.create(OWNER)).key
    for person in (MEMBER, OUTSIDER):
        with pytest.raises(HeadraceError) as caught:
            await actors.revoke(person, owners)
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    with pytest.raises(HeadraceError) as caught:
        await actors.revoke(AUDITOR, owners)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert announcer.announced == []
    assert (await actors.revoke(ADMIN, owners)).revoked_at is not None


@pytest.mark.parametrize("api_key_id", ["", "x", "\0" * 17, "0" * 17, "' OR 1=1 -- -----"])
async def test_ids_of_no_key_are_not_found(actors: Actors, api_key_id: str) -> None:
    principal = await actors.principal(OWNER)
    with pytest.raises(HeadraceError) as caught:
        await actors.keys.revoke(principal, api_key_id)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


class DeafAnnouncer:
    """Redis is down."""

    async def announce(self, organization_id: str, credential_id: str) -> None:
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")


async def test_a_revocation_stands_without_redis(
    login: Login, store: MemoryStore, clock: FakeClock, resolver: CredentialResolver
) -> None:
    actors = Actors(login, KeyManager(store, DeafAnnouncer(), clock))
    created = await actors.create(MEMBER)
    assert (await actors.revoke(MEMBER, created.key)).revoked_at is not None
    with pytest.raises(HeadraceError):
        await resolver.resolve(created.text.reveal())
