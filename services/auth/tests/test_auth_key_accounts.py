"""Whom keys act as, and that nobody gives a key more than maker and account have."""

from dataclasses import replace

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.budgets import Allowance
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Scope
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    HOMELESS,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_common.errors import HeadraceError, Reason

REQUEST = ApiKeyRequest("key", frozenset({Scope.LLM_INVOKE}), (), None, ())
FOR_SERVICE = replace(REQUEST, user_id=SERVICE.user_id)


@pytest.fixture
def make(store: MemoryStore, key_manager: KeyManager) -> "Maker":
    return Maker(store, key_manager)


class Maker:
    """Makes keys for people of the directory."""

    def __init__(self, store: MemoryStore, keys: KeyManager) -> None:
        self._store = store
        self._keys = keys

    async def __call__(
        self, person: Person, request: ApiKeyRequest, scopes: frozenset[Scope] | None = None
    ) -> CreatedApiKey:
        caller = await caller_of(self._store, person, scopes=scopes)
        return await self._keys.create(caller, request)

    async def refused(
        self, person: Person, request: ApiKeyRequest, scopes: frozenset[Scope] | None = None
    ) -> HeadraceError:
        with pytest.raises(HeadraceError) as caught:
            await self(person, request, scopes)
        assert self._store.rows.get(ApiKey, {}) == {}
        return caught.value


@pytest.mark.parametrize("person", [OWNER, ADMIN])
async def test_owners_and_admins_make_keys_for_service_accounts(
    make: Maker, resolver: CredentialResolver, person: Person
) -> None:
    created = await make(person, FOR_SERVICE)
    principal = await resolver.resolve(created.text.reveal())
    assert (principal.member.user_id, principal.member.role) == (SERVICE.user_id, Role.SERVICE)
    assert principal.scopes == {Scope.LLM_INVOKE}


async def test_the_audit_says_who_made_it(make: Maker, store: MemoryStore) -> None:
    await make(ADMIN, FOR_SERVICE)
    events = [event.payload for event in await store.announcements.undelivered(9)]
    [event] = [event for event in events if b"api_key.create" in event]
    assert ADMIN.user_id.encode() in event
    assert SERVICE.user_id.encode() in event


async def test_ones_own_id_is_the_same_as_none(make: Maker, resolver: CredentialResolver) -> None:
    created = await make(MEMBER, replace(REQUEST, user_id=MEMBER.user_id))
    principal = await resolver.resolve(created.text.reveal())
    assert principal.member.user_id == MEMBER.user_id


@pytest.mark.parametrize("user_id", [SERVICE.user_id, ADMIN.user_id, "x"])
async def test_members_make_keys_for_themselves_only(make: Maker, user_id: str) -> None:
    refusal = await make.refused(MEMBER, replace(REQUEST, user_id=user_id))
    assert refusal.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("user_id", [MEMBER.user_id, ADMIN.user_id])
async def test_people_make_their_own_keys(make: Maker, user_id: str) -> None:
    refusal = await make.refused(OWNER, replace(REQUEST, user_id=user_id))
    assert (refusal.reason, refusal.param) == (Reason.INVALID_FIELD, "user_id")


@pytest.mark.parametrize(
    "user_id", [OUTSIDER.user_id, HOMELESS.user_id, "x", "\0", SERVICE.user_id.upper() + "0"]
)
async def test_whoever_is_elsewhere_does_not_exist(make: Maker, user_id: str) -> None:
    refusal = await make.refused(OWNER, replace(REQUEST, user_id=user_id))
    assert refusal.reason is Reason.RESOURCE_NOT_FOUND


async def test_another_organisations_owner_does_not_see_the_account(make: Maker) -> None:
    refusal = await make.refused(OUTSIDER, FOR_SERVICE)
    assert refusal.reason is Reason.RESOURCE_NOT_FOUND


async def test_a_key_can_do_no_more_than_its_account(make: Maker) -> None:
    wanted = frozenset({Scope.LLM_INVOKE, Scope.KEYS_WRITE})
    refusal = await make.refused(OWNER, replace(FOR_SERVICE, scopes=wanted))
    assert refusal.reason is Reason.PERMISSION_DENIED
    assert refusal.message.endswith(": keys:write")


async def test_a_key_can_do_no_more_than_its_maker(make: Maker) -> None:
    narrow = frozenset({Scope.KEYS_WRITE, Scope.MODELS_READ})
    refusal = await make.refused(OWNER, FOR_SERVICE, narrow)
    assert refusal.reason is Reason.PERMISSION_DENIED
    assert refusal.message.endswith(": llm:invoke")


async def test_an_admin_makes_no_key_for_an_account_above_it(
    make: Maker, store: MemoryStore
) -> None:
    async with store.begin() as transaction:
        memberships = transaction.of(Membership)
        before = await memberships.get(SERVICE.user_id, ACME)
        assert before is not None
        await memberships.put(replace(before, role=Role.OWNER))
    refusal = await make.refused(ADMIN, FOR_SERVICE)
    assert refusal.reason is Reason.PERMISSION_DENIED


async def test_limits_networks_and_budget_come_with_the_key(
    make: Maker, store: MemoryStore, resolver: CredentialResolver
) -> None:
    allowance = Allowance(7, "EUR", BudgetPeriod.DAY, "UTC")
    request = replace(
        REQUEST,
        rates=((LimitKind.CONCURRENT_REQUESTS, 3),),
        allowed_networks=("10.0.0.0/8",),
        budget=allowance,
    )
    created = await make(MEMBER, request)
    own = (created.view.limits, created.view.budgets)
    principal = await resolver.resolve(created.text.reveal())
    assert principal.allowed_networks == ("10.0.0.0/8",)
    assert own == (
        request.limits(created.text.api_key_id),
        (allowance.of_key(created.text.api_key_id),),
    )
    assert (principal.limits[:1], principal.budgets[:1]) == own


async def test_what_fails_leaves_neither_key_nor_limit(
    store: MemoryStore, make: Maker, acts: Acts
) -> None:
    request = replace(
        FOR_SERVICE, scopes=frozenset(Scope), rates=((LimitKind.CONCURRENT_REQUESTS, 3),)
    )
    before = {kind: dict(store.rows.get(kind, {})) for kind in (ApiKey, LimitRecord, BudgetRecord)}
    await make.refused(OWNER, request)
    after = {kind: dict(store.rows.get(kind, {})) for kind in (ApiKey, LimitRecord, BudgetRecord)}
    assert after == before
