"""Making, listing and revoking keys: within the caller's rights and organisation."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import LimitRecord
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import LimitKind, Scope
from headrace_auth.domain.rights import DEFAULT_KEY_SCOPES
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    AUDITOR,
    MEMBER,
    OUTSIDER,
    OWNER,
    PASSWORD,
    Person,
)
from headrace_auth.testing.notices import credential_notices
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


class Actors:
    """Logs people in and acts for them."""

    def __init__(self, login: Login, keys: KeyManager) -> None:
        self._login = login
        self.keys = keys

    async def caller(self, person: Person) -> Caller:
        return Caller(
            principal=(await self._login.log_in(Caller(), person.email, PASSWORD)).principal
        )

    async def create(self, person: Person, *scopes: Scope) -> CreatedApiKey:
        request = ApiKeyRequest("key", frozenset(scopes), (), None, ())
        return await self.keys.create(await self.caller(person), request)

    async def list(self, person: Person) -> list[ApiKey]:
        page = await self.keys.page(await self.caller(person), None, 100)
        return [view.key for view in page.items]

    async def revoke(self, person: Person, key: ApiKey) -> ApiKey:
        return (await self.keys.revoke(await self.caller(person), key.api_key_id)).key


@pytest.fixture
def actors(login: Login, key_manager: KeyManager) -> Actors:
    return Actors(login, key_manager)


async def test_scopes_default_to_calling_models(actors: Actors) -> None:
    assert (await actors.create(MEMBER)).view.key.scopes == DEFAULT_KEY_SCOPES


async def test_only_the_digest_is_kept(actors: Actors, store: MemoryStore) -> None:
    created = await actors.create(MEMBER)
    assert store.rows[ApiKey] == {(created.view.key.api_key_id,): created.view.key}
    assert created.view.key.secret_sha256 == created.text.secret_sha256
    assert created.text.secret not in repr(store.rows)
    assert repr(created.text.secret_sha256) not in repr(created)
    assert created.text.secret not in repr(created)


async def test_two_keys_are_never_alike(actors: Actors) -> None:
    assert (await actors.create(MEMBER)).text != (await actors.create(MEMBER)).text


async def test_limits_are_kept_with_the_key_and_shown_with_it(
    actors: Actors, store: MemoryStore
) -> None:
    rates = ((LimitKind.REQUESTS_PER_MINUTE, 60), (LimitKind.TOKENS_PER_MINUTE, 9000))
    caller = await actors.caller(MEMBER)
    made = await actors.keys.create(caller, ApiKeyRequest("key", frozenset(), (), None, rates))
    other = await actors.create(MEMBER)
    [plain, limited] = sorted(
        (await actors.keys.page(caller, None, 9)).items, key=lambda view: len(view.limits)
    )
    assert plain == other.view
    assert set(limited.limits) == set(made.view.limits)
    own = [
        record for record in store.rows[LimitRecord].values() if record.limit() in limited.limits
    ]
    assert {(record.organization_id, record.amount) for record in own} == {(ACME, 60), (ACME, 9000)}
    revoked = await actors.keys.revoke(caller, made.view.key.api_key_id)
    assert set(revoked.limits) == set(made.view.limits)


async def test_who_may_make_no_keys_is_told_and_makes_none(
    actors: Actors, store: MemoryStore
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await actors.create(AUDITOR)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert store.rows.get(ApiKey, {}) == {}


async def test_nobody_makes_lists_or_revokes_nothing(actors: Actors) -> None:
    request = ApiKeyRequest("key", frozenset(), (), None, ())
    for call in (
        actors.keys.create(Caller(), request),
        actors.keys.page(Caller(), None, 1),
        actors.keys.revoke(Caller(), "0" * 17),
    ):
        with pytest.raises(HeadraceError) as caught:
            await call
        assert caught.value.reason is Reason.CREDENTIAL_MISSING


async def test_a_key_has_at_most_its_makers_scopes(actors: Actors, store: MemoryStore) -> None:
    whole = await actors.caller(OWNER)
    scopes = frozenset({Scope.KEYS_WRITE, Scope.LLM_INVOKE})
    narrow = replace(whole, principal=replace(whole.identified(), scopes=scopes))
    request = ApiKeyRequest("key", frozenset({Scope.MODELS_READ}), (), None, ())
    with pytest.raises(HeadraceError, match="models:read") as caught:
        await actors.keys.create(narrow, request)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert store.rows.get(ApiKey, {}) == {}


async def test_a_key_makes_no_keys(actors: Actors, resolver: CredentialResolver) -> None:
    created = await actors.create(OWNER, *Scope)
    caller = Caller(principal=await resolver.resolve(created.text.reveal()))
    request = ApiKeyRequest("key", frozenset(), (), None, ())
    with pytest.raises(HeadraceError) as caught:
        await actors.keys.create(caller, request)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_who_sees_which_keys(actors: Actors) -> None:
    members = (await actors.create(MEMBER)).view.key
    owners = (await actors.create(OWNER)).view.key
    theirs = (await actors.create(OUTSIDER)).view.key
    for person in (OWNER, ADMIN, AUDITOR):
        assert {key.api_key_id for key in await actors.list(person)} == {
            members.api_key_id,
            owners.api_key_id,
        }
    assert await actors.list(MEMBER) == [members]
    assert await actors.list(OUTSIDER) == [theirs]


async def test_pages_end(actors: Actors, clock: FakeClock) -> None:
    made: list[ApiKeyView] = []
    for _ in range(4):
        made.insert(0, (await actors.create(MEMBER)).view)
        clock.advance(0.000001)
    caller = await actors.caller(MEMBER)
    first = await actors.keys.page(caller, None, 2)
    assert first.next_position is not None
    second = await actors.keys.page(caller, first.next_position, 2)
    assert (first.items + second.items, second.next_position) == (made, None)


async def test_a_revoked_key_is_dead_and_announced(
    actors: Actors,
    resolver: CredentialResolver,
    announcer: MemoryRevocationAnnouncer,
    clock: FakeClock,
) -> None:
    created = await actors.create(MEMBER)
    key_id = created.view.key.api_key_id
    revoked_at = clock.now()
    assert (await actors.revoke(MEMBER, created.view.key)).revoked_at == revoked_at
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(created.text.reveal())
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    clock.advance(5)
    assert (await actors.revoke(MEMBER, created.view.key)).revoked_at == revoked_at
    assert announcer.announced == [(ACME, key_id)] * 2


async def test_who_revokes_whose_keys(actors: Actors, announcer: MemoryRevocationAnnouncer) -> None:
    owners = (await actors.create(OWNER)).view.key
    for person in (MEMBER, OUTSIDER):
        with pytest.raises(HeadraceError) as caught:
            await actors.revoke(person, owners)
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    for person in (AUDITOR, ADMIN):
        with pytest.raises(HeadraceError) as caught:
            await actors.revoke(person, owners)
        assert caught.value.reason is Reason.PERMISSION_DENIED
    assert announcer.announced == []
    assert (await actors.revoke(OWNER, owners)).revoked_at is not None
    for maker, ender in ((MEMBER, ADMIN), (ADMIN, OWNER), (ADMIN, ADMIN)):
        key = (await actors.create(maker)).view.key
        assert (await actors.revoke(ender, key)).revoked_at is not None


@pytest.mark.parametrize("how", ["removed", "disabled"])
async def test_the_keys_of_who_is_gone_are_an_admins_to_revoke(
    actors: Actors, store: MemoryStore, clock: FakeClock, how: str
) -> None:
    owners = (await actors.create(OWNER)).view.key
    async with store.begin() as transaction:
        if how == "removed":
            await transaction.of(Membership).remove(OWNER.user_id, ACME)
        else:
            user = await transaction.of(User).get(OWNER.user_id)
            assert user is not None
            await transaction.of(User).put(replace(user, disabled_at=clock.now()))
    assert (await actors.revoke(ADMIN, owners)).revoked_at is not None


@pytest.mark.parametrize("api_key_id", ["", "x", "\0" * 17, "0" * 17, "' OR 1=1 -- -----"])
async def test_ids_of_no_key_are_not_found(actors: Actors, api_key_id: str) -> None:
    caller = await actors.caller(OWNER)
    with pytest.raises(HeadraceError) as caught:
        await actors.keys.revoke(caller, api_key_id)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_what_happens_to_a_key_is_told_once_and_without_its_secret(
    actors: Actors, store: MemoryStore
) -> None:
    created = await actors.create(MEMBER)
    for _ in range(2):
        await actors.revoke(ADMIN, created.view.key)
    told = [AuditEvent.FromString(each.payload) for each in store.rows[OutboxEvent].values()]
    events = [event for event in told if event.operation.startswith("api_key.")]
    assert [(event.operation, event.actor.user_id) for event in events] == [
        ("api_key.create", MEMBER.user_id),
        ("api_key.revoke", ADMIN.user_id),
    ]
    assert {event.resource for event in events} == {f"api_key:{created.view.key.api_key_id}"}
    revoked = events[1].change
    before, after = json.loads(revoked.before_json), json.loads(revoked.after_json)
    assert before | {"revoked_at": after["revoked_at"]} == after
    assert (before["revoked_at"], before["name"]) == (None, "key")
    digest, secret = created.text.secret_sha256, created.text.secret
    for event in events:
        assert secret.encode() not in event.SerializeToString()
        assert digest not in event.SerializeToString()
        assert "sha256" not in event.change.after_json


class DeafAnnouncer:
    """Redis is down."""

    async def announce(self, organization_id: str, revocation_ids: Iterable[str]) -> None:
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")


async def test_a_revocation_stands_without_redis(
    login: Login, store: MemoryStore, clock: FakeClock, resolver: CredentialResolver
) -> None:
    acts = Acts(store, DeafAnnouncer(), clock, EntryEncoder("auth/test"))
    actors = Actors(login, KeyManager(acts, credential_notices()))
    created = await actors.create(MEMBER)
    assert (await actors.revoke(MEMBER, created.view.key)).revoked_at is not None
    with pytest.raises(HeadraceError):
        await resolver.resolve(created.text.reveal())
