"""Changing keys: what is named changes, within the changer's rights, and gateways hear of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.domain.api_key_updates import ApiKeyUpdate
from headrace_auth.domain.api_keys import ApiKey, ApiKeyUse
from headrace_auth.domain.budgets import Allowance
from headrace_auth.domain.directory import Membership
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Scope
from headrace_auth.domain.revocation_ids import api_key_revocation
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
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

INVOKE = frozenset({Scope.LLM_INVOKE})
RENAME = ApiKeyUpdate({"name": "renamed"})
REQUESTS, TOKENS, CONCURRENT = LimitKind


class Keys:
    """One key of MEMBER with everything set, and people who change it."""

    def __init__(self, store: MemoryStore, manager: KeyManager, changer: KeyChanger) -> None:
        self._store = store
        self.manager = manager
        self.changer = changer
        self.created: CreatedApiKey

    async def make(self, person: Person, **changes: Any) -> CreatedApiKey:
        request = ApiKeyRequest(
            name="key",
            scopes=INVOKE,
            allowed_models=("smollm2",),
            expires_at=None,
            rates=((REQUESTS, 60), (TOKENS, 9000)),
            allowed_networks=("10.0.0.0/8",),
            budget=Allowance(5, "EUR", BudgetPeriod.DAY, "UTC"),
        )
        caller = await caller_of(self._store, person)
        return await self.manager.create(caller, replace(request, **changes))

    async def update(
        self, person: Person, update: ApiKeyUpdate, created: CreatedApiKey | None = None
    ) -> ApiKeyView:
        caller = await caller_of(self._store, person)
        key_id = (created or self.created).text.api_key_id
        return await self.changer.update(caller, key_id, update)

    async def refused(
        self, person: Person, update: ApiKeyUpdate, created: CreatedApiKey | None = None
    ) -> HeadraceError:
        key = (created or self.created).view.key
        with pytest.raises(HeadraceError) as caught:
            await self.update(person, update, created)
        async with self._store.begin() as transaction:
            assert await transaction.of(ApiKey).get(key.api_key_id) == key
        return caught.value


@pytest.fixture
def changer(acts: Acts) -> KeyChanger:
    return KeyChanger(acts, credential_notices())


@pytest.fixture
async def keys(store: MemoryStore, key_manager: KeyManager, changer: KeyChanger) -> Keys:
    keys = Keys(store, key_manager, changer)
    keys.created = await keys.make(MEMBER)
    return keys


@pytest.mark.parametrize(
    ("fields", "value_of"),
    [
        ({"name": "renamed"}, lambda view: view.key.name),
        ({"scopes": frozenset({Scope.MODELS_READ})}, lambda view: view.key.scopes),
        ({"allowed_models": ()}, lambda view: view.key.allowed_models),
        ({"allowed_networks": ()}, lambda view: view.key.allowed_networks),
        ({"allowed_networks": ("::/0",)}, lambda view: view.key.allowed_networks),
    ],
)
async def test_a_named_field_changes_and_no_other(
    keys: Keys, fields: dict[str, Any], value_of: Callable[[ApiKeyView], Any]
) -> None:
    before = keys.created.view
    after = await keys.update(MEMBER, ApiKeyUpdate(fields))
    assert value_of(after) == next(iter(fields.values()))
    assert after == replace(before, key=replace(before.key, **fields, version=2))


async def test_an_expiry_is_set_moved_and_lifted(
    keys: Keys, resolver: CredentialResolver, clock: FakeClock
) -> None:
    secret = keys.created.text.reveal()
    for moment in (clock.now() + timedelta(hours=1), clock.now() + timedelta(minutes=1)):
        await keys.update(MEMBER, ApiKeyUpdate({"expires_at": moment}))
        assert (await resolver.resolve(secret)).expires_at == moment
    clock.advance(60)
    with pytest.raises(HeadraceError):
        await resolver.resolve(secret)
    await keys.update(MEMBER, ApiKeyUpdate({"expires_at": None}))
    assert (await resolver.resolve(secret)).expires_at is None


async def test_limits_are_set_changed_and_lifted_one_by_one(keys: Keys) -> None:
    update = ApiKeyUpdate(rates={REQUESTS: 30, CONCURRENT: 2})
    amounts = {limit.kind: limit.amount for limit in (await keys.update(MEMBER, update)).limits}
    assert amounts == {REQUESTS: 30, TOKENS: 9000, CONCURRENT: 2}
    view = await keys.update(MEMBER, ApiKeyUpdate(rates={TOKENS: None, REQUESTS: None}))
    assert {limit.kind: limit.amount for limit in view.limits} == {CONCURRENT: 2}


async def test_a_budget_takes_the_place_of_the_one_before(keys: Keys) -> None:
    weekly = Allowance(6, "USD", BudgetPeriod.WEEK, "UTC")
    view = await keys.update(MEMBER, ApiKeyUpdate(budgets=(weekly,)))
    assert view.budgets == (weekly.of_key(keys.created.text.api_key_id),)
    larger = replace(weekly, amount_micros=7)
    view = await keys.update(MEMBER, ApiKeyUpdate(budgets=(larger,)))
    assert view.budgets == (larger.of_key(keys.created.text.api_key_id),)
    assert (await keys.update(MEMBER, ApiKeyUpdate(budgets=()))).budgets == ()


@pytest.mark.parametrize(
    "update",
    [
        RENAME,
        ApiKeyUpdate({"allowed_networks": ()}),
        ApiKeyUpdate(rates={REQUESTS: None}),
        ApiKeyUpdate(rates={REQUESTS: 61}),
        ApiKeyUpdate(budgets=()),
    ],
)
async def test_gateways_hear_of_a_change_and_the_key_goes_on(
    keys: Keys,
    resolver: CredentialResolver,
    announcer: MemoryRevocationAnnouncer,
    update: ApiKeyUpdate,
) -> None:
    before = await resolver.resolve(keys.created.text.reveal())
    await keys.update(MEMBER, update)
    [(organization_id, announced)] = announcer.announced
    assert organization_id == ACME
    assert announced in before.revocation_ids
    after = await resolver.resolve(keys.created.text.reveal())
    assert announced not in after.revocation_ids


async def test_what_changes_nothing_is_not_announced(
    keys: Keys, announcer: MemoryRevocationAnnouncer, store: MemoryStore
) -> None:
    told = len(await store.announcements.undelivered(99))
    same = ApiKeyUpdate(
        {"name": "key", "scopes": INVOKE},
        {REQUESTS: 60, CONCURRENT: None},
        (Allowance(5, "EUR", BudgetPeriod.DAY, "UTC"),),
    )
    assert await keys.update(MEMBER, same) == keys.created.view
    assert announcer.announced == []
    assert len(await store.announcements.undelivered(99)) == told


async def test_changes_add_up_in_the_announced_versions(
    keys: Keys, announcer: MemoryRevocationAnnouncer
) -> None:
    await keys.update(MEMBER, RENAME)
    await keys.update(ADMIN, ApiKeyUpdate(rates={REQUESTS: 1}))
    key_id = keys.created.text.api_key_id
    assert announcer.announced == [(ACME, api_key_revocation(key_id, n)) for n in (1, 2)]


@pytest.mark.parametrize("person", [OWNER, ADMIN])
async def test_owners_and_admins_change_members_keys(keys: Keys, person: Person) -> None:
    assert (await keys.update(person, RENAME)).key.created_by == MEMBER.user_id


async def test_who_may_not_see_a_key_does_not_change_it(keys: Keys) -> None:
    owners = await keys.make(OWNER)
    assert (await keys.refused(OUTSIDER, RENAME)).reason is Reason.RESOURCE_NOT_FOUND
    assert (await keys.refused(MEMBER, RENAME, owners)).reason is Reason.RESOURCE_NOT_FOUND
    assert (await keys.refused(AUDITOR, RENAME)).reason is Reason.PERMISSION_DENIED


async def test_an_admin_does_not_change_an_owners_key(keys: Keys) -> None:
    owners = await keys.make(OWNER)
    assert (await keys.refused(ADMIN, RENAME, owners)).reason is Reason.PERMISSION_DENIED


async def test_no_change_gives_a_key_more_than_its_user_has(keys: Keys) -> None:
    wider = ApiKeyUpdate({"scopes": INVOKE | {Scope.LIMITS_WRITE}})
    for person in (MEMBER, OWNER):
        refusal = await keys.refused(person, wider)
        assert refusal.reason is Reason.PERMISSION_DENIED
        assert refusal.message.endswith(": limits:write")
    own = ApiKeyUpdate({"scopes": INVOKE | {Scope.KEYS_WRITE}})
    assert Scope.KEYS_WRITE in (await keys.update(MEMBER, own)).key.scopes


async def test_no_change_gives_a_key_more_than_the_changer_has(
    store: MemoryStore, keys: Keys
) -> None:
    few = await caller_of(store, MEMBER, scopes=frozenset({Scope.KEYS_WRITE}))
    with pytest.raises(HeadraceError, match="llm:invoke") as caught:
        await keys.changer.update(few, keys.created.text.api_key_id, RENAME)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_scopes_beyond_a_role_that_shrank_may_stay_but_not_come(
    store: MemoryStore, keys: Keys
) -> None:
    created = await keys.make(MEMBER, scopes=INVOKE | {Scope.KEYS_WRITE})
    async with store.begin() as transaction:
        memberships = transaction.of(Membership)
        before = await memberships.get(MEMBER.user_id, ACME)
        assert before is not None
        await memberships.put(replace(before, role=Role.SERVICE))
    assert (await keys.update(ADMIN, RENAME, created)).key.name == "renamed"
    wider = ApiKeyUpdate({"scopes": INVOKE | {Scope.KEYS_READ}})
    with pytest.raises(HeadraceError, match=r": keys:read$"):
        await keys.update(ADMIN, wider, created)


async def test_a_key_changes_no_keys_and_no_application_does(
    keys: Keys, store: MemoryStore, resolver: CredentialResolver
) -> None:
    strong = await keys.make(MEMBER, scopes=frozenset({Scope.KEYS_WRITE, Scope.LLM_INVOKE}))
    person = await caller_of(store, MEMBER)
    key = replace(person, principal=await resolver.resolve(strong.text.reveal()))
    application = await caller_of(store, MEMBER, client_id="app")
    for caller in (key, application):
        with pytest.raises(HeadraceError) as caught:
            await keys.changer.update(caller, strong.text.api_key_id, RENAME)
        assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_a_revoked_key_and_one_whose_user_left_stay_as_they_are(
    keys: Keys, store: MemoryStore
) -> None:
    async with store.begin() as transaction:
        await transaction.of(Membership).remove(MEMBER.user_id, ACME)
    assert (await keys.refused(OWNER, RENAME)).param == "api_key_id"
    created = await keys.make(OWNER)
    caller = await caller_of(store, OWNER)
    await keys.manager.revoke(caller, created.text.api_key_id)
    with pytest.raises(HeadraceError, match="ended") as caught:
        await keys.update(OWNER, RENAME, created)
    assert caught.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("api_key_id", ["", "x", "\0" * 17, "0" * 17])
async def test_ids_of_no_key_are_not_found(keys: Keys, store: MemoryStore, api_key_id: str) -> None:
    caller = await caller_of(store, OWNER)
    for act in (
        keys.changer.update(caller, api_key_id, RENAME),
        keys.changer.rotate(caller, api_key_id, timedelta(0)),
        keys.manager.get(caller, api_key_id),
    ):
        with pytest.raises(HeadraceError) as caught:
            await act
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_one_key_is_shown_as_in_the_list(keys: Keys, store: MemoryStore) -> None:
    key_id = keys.created.text.api_key_id
    await keys.make(MEMBER)
    used = ApiKeyUse(key_id, keys.created.view.key.created_at, 3)
    await store.key_uses.add("01900000-0000-7000-8000-00000000bbbb", [used])
    for person in (MEMBER, OWNER, ADMIN, AUDITOR):
        caller = await caller_of(store, person)
        found = await keys.manager.get(caller, key_id)
        assert found == replace(keys.created.view, use=used)
        assert found in (await keys.manager.page(caller, None, 9)).items
    for person in (OUTSIDER, SERVICE):
        caller = await caller_of(store, person)
        with pytest.raises(HeadraceError):
            await keys.manager.get(caller, key_id)
