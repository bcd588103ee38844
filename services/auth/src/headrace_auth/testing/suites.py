"""The suite that every Store must pass; each adapter's test class inherits it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headrace_auth.domain.api_keys import ENTROPY_BYTES, ApiKey, mint
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Limit, LimitKind, Role, Scope, Subject
from headrace_auth.ports import FirstOwner, SealedSigningKey, Store
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    GLOBEX,
    HOMELESS,
    MEMBER,
    MEMBER_BUDGETS,
    MEMBER_LIMITS,
    OUTSIDER,
    OWNER,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
DIGEST = b"\x5a" * 32


def make_key(number: int, *, made_by: str = MEMBER.user_id, organization_id: str = ACME) -> ApiKey:
    """A key whose id and age follow from `number`: a higher number is newer."""
    text = mint(number.to_bytes(ENTROPY_BYTES, "little"))
    return ApiKey(
        api_key_id=text.api_key_id,
        organization_id=organization_id,
        created_by=made_by,
        name=f"key {number}",
        scopes=frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ}),
        created_at=NOW + timedelta(microseconds=number),
    )


class UsersSuite:
    """Subclasses provide a fixture `store`, filled with the directory, and `empty_store`."""

    async def test_an_account_is_found_by_address(self, store: Store) -> None:
        account = await store.users.account(MEMBER.email)
        assert account is not None
        assert (account.user_id, account.organization_id) == (MEMBER.user_id, ACME)
        assert account.password_hash

    async def test_an_unknown_address_has_no_account(self, store: Store) -> None:
        assert await store.users.account("stranger@acme.test") is None

    async def test_an_account_without_membership_has_no_organisation(self, store: Store) -> None:
        account = await store.users.account(HOMELESS.email)
        assert account is not None
        assert account.organization_id is None

    async def test_a_member_has_the_limits_of_user_team_and_organisation(
        self, store: Store
    ) -> None:
        member = await store.users.member(MEMBER.user_id, ACME)
        assert member is not None
        assert (member.role, member.token_version) == (Role.MEMBER, 1)
        assert set(member.limits) == set(MEMBER_LIMITS)
        assert member.budgets == MEMBER_BUDGETS

    async def test_another_organisation_limits_its_own(self, store: Store) -> None:
        member = await store.users.member(MEMBER.user_id, GLOBEX)
        assert member is not None
        assert member.role is Role.ADMIN
        assert [limit.amount for limit in member.limits] == [1]
        assert [budget.currency for budget in member.budgets] == ["USD"]

    async def test_who_is_not_in_the_organisation_is_no_member(self, store: Store) -> None:
        assert await store.users.member(OWNER.user_id, GLOBEX) is None

    async def test_of_racing_first_owners_one_wins(self, empty_store: Store) -> None:
        assert not await empty_store.users.any_exists()
        owners = [
            FirstOwner(_id(10 + n), "default", _id(20 + n), f"owner{n}@acme.test", "hash", NOW)
            for n in range(5)
        ]
        added = await asyncio.gather(*map(empty_store.users.add_first_owner, owners))
        assert sorted(added) == [False, False, False, False, True]
        assert await empty_store.users.any_exists()
        winner = owners[added.index(True)]
        member = await empty_store.users.member(winner.user_id, winner.organization_id)
        assert member is not None
        assert (member.role, member.token_version) == (Role.OWNER, 1)

    async def test_a_first_owner_is_not_added_to_others(self, store: Store) -> None:
        owner = FirstOwner(_id(10), "default", _id(20), "new@acme.test", "hash", NOW)
        assert not await store.users.add_first_owner(owner)
        assert await store.users.account("new@acme.test") is None


class ApiKeysSuite:
    """Subclasses provide a fixture `store`, filled with the directory."""

    async def test_a_key_comes_back_with_its_maker(self, store: Store) -> None:
        plain = make_key(1)
        limit = Limit(LimitKind.TOKENS_PER_MINUTE, Subject.API_KEY, plain.api_key_id, 2**40)
        key = replace(
            plain,
            allowed_models=("smollm2", "o'dd"),
            expires_at=NOW + timedelta(days=1),
            limits=(limit,),
        )
        await store.api_keys.add(key, DIGEST)
        stored = await store.api_keys.find(key.api_key_id)
        assert stored is not None
        assert stored.key == key
        assert stored.has_secret(DIGEST)
        assert not stored.has_secret(b"\x5b" * 32)
        assert stored.member.role is Role.MEMBER
        assert set(stored.member.limits) == set(MEMBER_LIMITS)
        assert stored.member.budgets == MEMBER_BUDGETS

    async def test_an_unknown_key_is_not_found(self, store: Store) -> None:
        assert await store.api_keys.find(make_key(1).api_key_id) is None

    async def test_a_key_whose_maker_is_no_member_is_not_found(self, store: Store) -> None:
        key = make_key(1, made_by=HOMELESS.user_id)
        await store.api_keys.add(key, DIGEST)
        assert await store.api_keys.find(key.api_key_id) is None

    async def test_pages_go_from_new_to_old_without_gap_or_repetition(self, store: Store) -> None:
        keys = [make_key(number) for number in range(7)]
        # Same instant: the id decides, byte by byte.
        keys += [replace(make_key(100 + n), created_at=NOW) for n in range(3)]
        for key in keys:
            await store.api_keys.add(key, DIGEST)
        seen: list[ApiKey] = []
        after = None
        for _ in range(5):
            page = await store.api_keys.page(ACME, created_by=None, after=after, size=3)
            seen += page
            if len(page) < 3:
                break
            after = Position(page[-1].created_at, page[-1].api_key_id)
        assert seen == sorted(keys, key=lambda k: (k.created_at, k.api_key_id), reverse=True)

    async def test_a_page_shows_one_organisation_and_at_wish_one_maker(self, store: Store) -> None:
        ours, admins = make_key(1), make_key(2, made_by=ADMIN.user_id)
        theirs = make_key(3, made_by=OUTSIDER.user_id, organization_id=GLOBEX)
        for key in (ours, admins, theirs):
            await store.api_keys.add(key, DIGEST)
        everything = await store.api_keys.page(ACME, created_by=None, after=None, size=9)
        own = await store.api_keys.page(ACME, created_by=MEMBER.user_id, after=None, size=9)
        assert (everything, own) == ([admins, ours], [ours])

    async def test_revoking_keeps_the_first_time(self, store: Store) -> None:
        key = make_key(1)
        await store.api_keys.add(key, DIGEST)
        once = await store.api_keys.revoke(key.api_key_id, ACME, created_by=None, now=NOW)
        later = NOW + timedelta(hours=1)
        twice = await store.api_keys.revoke(key.api_key_id, ACME, created_by=None, now=later)
        assert once == twice == replace(key, revoked_at=NOW)
        stored = await store.api_keys.find(key.api_key_id)
        assert stored is not None
        assert stored.key.revoked_at == NOW

    async def test_only_the_named_organisation_and_maker_revoke(self, store: Store) -> None:
        key = make_key(1)
        await store.api_keys.add(key, DIGEST)
        revoke = store.api_keys.revoke
        assert await revoke(key.api_key_id, GLOBEX, created_by=None, now=NOW) is None
        assert await revoke(key.api_key_id, ACME, created_by=ADMIN.user_id, now=NOW) is None
        stored = await store.api_keys.find(key.api_key_id)
        assert stored is not None
        assert stored.key.revoked_at is None
        own = await revoke(key.api_key_id, ACME, created_by=MEMBER.user_id, now=NOW)
        assert own is not None


class SigningKeysSuite:
    """Subclasses provide a fixture `empty_store`."""

    async def test_of_racing_first_keys_one_stays(self, empty_store: Store) -> None:
        keys = [SealedSigningKey(f"k{n}", "ES256", b"x", {"kid": f"k{n}"}, NOW) for n in range(5)]
        added = await asyncio.gather(*map(empty_store.signing_keys.add_first, keys))
        assert sorted(added) == [False, False, False, False, True]
        assert await empty_store.signing_keys.newest_first() == [keys[added.index(True)]]


def _id(number: int) -> str:
    return f"01900000-0000-7000-8000-0000000001{number:02d}"
