"""The suites that every Store must pass; each adapter's test class inherits them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.api_keys import ENTROPY_BYTES, ApiKey, mint
from headrace_auth.domain.consumption import LimitRecord
from headrace_auth.domain.directory import Membership, Organization, Team, User, UserKind
from headrace_auth.domain.paging import Position, position_of_token
from headrace_auth.domain.principal import LimitKind, Role, Scope, Subject
from headrace_auth.domain.records import Record
from headrace_auth.ports import Records, SealedSigningKey, Store
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    GLOBEX,
    HOMELESS,
    MEMBER,
    MEMBER_BUDGETS,
    MEMBER_LIMITS,
    OUTSIDER,
    OWNER,
)
from headrace_common.errors import HeadraceError, Reason

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
        secret_sha256=DIGEST,
    )


async def keep(store: Store, *records: Record) -> None:
    """Add the records."""
    async with store.begin() as transaction:
        for record in records:
            await transaction.of(type(record)).add(record)


class RecordsSuite:
    """Subclasses provide a fixture `store`, filled with the directory, and `empty_store`."""

    async def test_a_record_comes_back_as_it_was(self, store: Store) -> None:
        key = replace(
            make_key(1),
            allowed_models=("smollm2", "o'dd"),
            allowed_networks=("10.0.0.0/8",),
            expires_at=NOW + timedelta(days=1),
            previous_secret_sha256=b"\x5b" * 32,
            previous_secret_expires_at=NOW,
        )
        await keep(store, key)
        async with store.begin() as transaction:
            assert await transaction.of(ApiKey).get(key.api_key_id) == key
            assert await transaction.of(ApiKey).get(key.api_key_id, lock=True) == key

    @pytest.mark.parametrize("text", ["unknown", "", "\0", "' OR 1=1 --", "\N{SNOWMAN}", "{", ACME])
    async def test_what_can_be_no_id_is_unknown(self, store: Store, text: str) -> None:
        async with store.begin() as transaction:
            assert await transaction.of(ApiKey).get(text) is None
            assert await transaction.of(User).get(text) is None
            assert await transaction.of(Membership).get(text, text, lock=True) is None
            assert await transaction.of(Team).find(organization_id=ACME, name=text) == []
            assert await transaction.of(User).find(email=text, user_id=text) == []

    @pytest.mark.parametrize("unusual", ["", "x", "\0", "' OR 1=1 --", "\N{SNOWMAN}" * 1000])
    async def test_what_can_be_no_key_is_no_records_key(self, store: Store, unusual: str) -> None:
        async with store.begin() as transaction:
            for record_type in (ApiKey, Team):
                records: Records[Any] = transaction.of(record_type)
                assert await records.get(unusual) is None
                assert await records.get(unusual, lock=True) is None
                assert await records.find(organization_id=unusual) == []
                assert await records.page(None, 9, organization_id=unusual) == []
                await records.remove(unusual)
            assert await transaction.of(User).find(email=unusual) == []
            assert await transaction.of(Membership).get(unusual, ACME) is None
            assert len(await transaction.of(Team).find()) == 1

    async def test_a_change_stays_and_one_of_nothing_fails(self, store: Store) -> None:
        await keep(store, make_key(1))
        changed = replace(make_key(1), name="renamed", revoked_at=NOW)
        async with store.begin() as transaction:
            await transaction.of(ApiKey).put(changed)
        async with store.begin() as transaction:
            assert await transaction.of(ApiKey).get(changed.api_key_id) == changed
            with pytest.raises(LookupError):
                await transaction.of(ApiKey).put(make_key(2))

    async def test_what_raises_leaves_no_trace(self, store: Store) -> None:
        with pytest.raises(HeadraceError):
            await keep(store, make_key(1), make_key(2), make_key(1))
        async with store.begin() as transaction:
            assert await transaction.of(ApiKey).find() == []

    async def test_what_is_taken_is_told_and_the_transaction_goes_on(self, store: Store) -> None:
        taken: list[tuple[Record, str | None]] = [
            (Organization(_id(1), "acme", NOW), "name"),
            (User(_id(2), OWNER.email, NOW), "email"),
            (Team(_id(3), ACME, "team", NOW), "name"),
            (Membership(OWNER.user_id, ACME, Role.MEMBER, NOW), None),
        ]
        async with store.begin() as transaction:
            for record, param in taken:
                with pytest.raises(HeadraceError) as caught:
                    await transaction.of(type(record)).add(record)
                assert caught.value.reason is Reason.ALREADY_EXISTS
                assert caught.value.param == param
            await transaction.of(Team).add(Team(_id(4), GLOBEX, "team", NOW))
        async with store.begin() as transaction:
            assert len(await transaction.of(Team).find(name="team")) == 2
            with pytest.raises(HeadraceError):
                await transaction.of(Organization).put(Organization(GLOBEX, "acme", NOW))

    async def test_accounts_without_an_address_do_not_collide(self, store: Store) -> None:
        both = [User(_id(n), None, NOW, kind=UserKind.SERVICE) for n in (1, 2)]
        await keep(store, *both)
        async with store.begin() as transaction:
            users = transaction.of(User)
            assert [await users.get(each.user_id) for each in both] == both

    async def test_records_are_found_by_any_field(self, store: Store) -> None:
        async with store.begin() as transaction:
            memberships = transaction.of(Membership)
            joined = await memberships.find(user_id=MEMBER.user_id)
            assert {one.organization_id for one in joined} == {ACME, GLOBEX}
            owners = await memberships.find(organization_id=ACME, role=Role.OWNER)
            assert [one.user_id for one in owners] == [OWNER.user_id]
            in_no_team = await memberships.find(organization_id=ACME, team_id=None)
            assert MEMBER.user_id not in {one.user_id for one in in_no_team}
            assert OWNER.user_id in {one.user_id for one in in_no_team}

    async def test_pages_go_from_new_to_old_without_gap_or_repetition(self, store: Store) -> None:
        keys = [make_key(number) for number in range(7)]
        # Same instant: the id decides, byte by byte.
        keys += [replace(make_key(100 + n), created_at=NOW) for n in range(3)]
        await keep(store, *keys)
        seen: list[ApiKey] = []
        after = None
        for _ in range(5):
            async with store.begin() as transaction:
                page = await transaction.of(ApiKey).page(after, 3, organization_id=ACME)
            seen += page
            if len(page) < 3:
                break
            after = Position(page[-1].created_at, page[-1].api_key_id)
        assert seen == sorted(keys, key=lambda k: (k.created_at, k.api_key_id), reverse=True)

    async def test_pages_of_what_has_another_kind_of_id_follow_one_another_by_token(
        self, store: Store
    ) -> None:
        teams = [Team(_id(n), GLOBEX, f"team {n}", NOW + timedelta(seconds=n)) for n in range(5)]
        await keep(store, *teams)
        seen: list[Team] = []
        token = ""
        for _ in range(3):
            after = position_of_token(token)
            async with store.begin() as transaction:
                page = await transaction.of(Team).page(after, 2, organization_id=GLOBEX)
            seen += page
            token = Position(page[-1].created_at, page[-1].team_id).to_token()
        assert seen == teams[::-1]

    async def test_a_page_after_what_can_be_no_place_is_empty_or_goes_on(
        self, store: Store
    ) -> None:
        await keep(store, Team(_id(1), GLOBEX, "team", NOW))
        async with store.begin() as transaction:
            for item_id in ("x", "-", "0" * 17):
                later = Position(NOW + timedelta(days=1), item_id)
                page = await transaction.of(Team).page(later, 9, organization_id=GLOBEX)
                assert len(page) <= 1

    async def test_records_come_by_key_without_gap_or_repetition(self, store: Store) -> None:
        keys = [make_key(number) for number in range(7)]
        await keep(store, *keys, make_key(8, made_by=OUTSIDER.user_id, organization_id=GLOBEX))
        seen: list[ApiKey] = []
        after = None
        for _ in range(3):
            async with store.begin() as transaction:
                seen += await transaction.of(ApiKey).by_key(after, 3, organization_id=ACME)
            after = (seen[-1].api_key_id,)
        assert seen == sorted(keys, key=lambda key: key.api_key_id)
        async with store.begin() as transaction:
            memberships = transaction.of(Membership)
            joined = await memberships.by_key((MEMBER.user_id, ACME), 9, user_id=MEMBER.user_id)
            assert [one.organization_id for one in joined] == [GLOBEX]
            assert await memberships.by_key(None, 9, organization_id="\0") == []

    async def test_a_page_shows_only_what_was_asked_for(self, store: Store) -> None:
        ours, admins = make_key(1), make_key(2, made_by=ADMIN.user_id)
        theirs = make_key(3, made_by=OUTSIDER.user_id, organization_id=GLOBEX)
        await keep(store, ours, admins, theirs)
        async with store.begin() as transaction:
            keys = transaction.of(ApiKey)
            assert await keys.page(None, 9, organization_id=ACME) == [admins, ours]
            mine = {"organization_id": ACME, "created_by": MEMBER.user_id}
            assert await keys.page(None, 9, **mine) == [ours]

    async def test_what_is_removed_or_old_is_gone(self, store: Store) -> None:
        await keep(store, *(make_key(number) for number in range(4)))
        async with store.begin() as transaction:
            keys = transaction.of(ApiKey)
            await keys.remove(make_key(3).api_key_id)
            await keys.remove("unknown")
            for forgotten in (1, 1, 0):
                assert await keys.purge("created_at", make_key(2).created_at, 1) == forgotten
            assert await keys.find() == [make_key(2)]

    async def test_who_asks_to_be_alone_is(self, empty_store: Store) -> None:
        async def be_the_first(number: int) -> bool:
            async with empty_store.begin() as transaction:
                await transaction.alone("first")
                if await transaction.of(Organization).find():
                    return False
                organization = Organization(_id(number), f"number {number}", NOW)
                await transaction.of(Organization).add(organization)
                return True

        won = await asyncio.gather(*(be_the_first(number) for number in range(5)))
        assert sorted(won) == [False, False, False, False, True]

    async def test_a_locked_record_is_changed_by_one_at_a_time(self, store: Store) -> None:
        async def count() -> None:
            async with store.begin() as transaction:
                records = transaction.of(Membership)
                membership = await records.get(MEMBER.user_id, ACME, lock=True)
                assert membership is not None
                await asyncio.sleep(0)
                await records.put(replace(membership, version=membership.version + 1))

        await asyncio.gather(*(count() for _ in range(5)))
        async with store.begin() as transaction:
            membership = await transaction.of(Membership).get(MEMBER.user_id, ACME)
        assert membership is not None
        assert membership.version == 6


class PrincipalsSuite:
    """Subclasses provide a fixture `store`, filled with the directory."""

    async def test_a_member_has_the_limits_of_user_team_and_organisation(
        self, store: Store
    ) -> None:
        member = await store.principals.member(MEMBER.user_id, ACME)
        assert member is not None
        assert (member.role, member.token_version, member.team_id) == (Role.MEMBER, 1, ACME_TEAM)
        assert (member.version, member.organization_version, member.in_platform) == (1, 1, True)
        assert set(member.limits) == set(MEMBER_LIMITS)
        assert member.budgets == MEMBER_BUDGETS

    async def test_another_organisation_limits_its_own(self, store: Store) -> None:
        member = await store.principals.member(MEMBER.user_id, GLOBEX)
        assert member is not None
        assert (member.role, member.in_platform) == (Role.ADMIN, False)
        assert [limit.amount for limit in member.limits] == [1]
        assert [budget.currency for budget in member.budgets] == ["USD"]

    async def test_who_is_not_in_the_organisation_is_no_member(self, store: Store) -> None:
        assert await store.principals.member(OWNER.user_id, GLOBEX) is None

    async def test_who_is_disabled_is_nobody(self, store: Store) -> None:
        await keep(store, make_key(1))
        async with store.begin() as transaction:
            user = await transaction.of(User).get(MEMBER.user_id)
            assert user is not None
            await transaction.of(User).put(replace(user, disabled_at=NOW))
        assert await store.principals.member(MEMBER.user_id, ACME) is None
        assert await store.principals.api_key(make_key(1).api_key_id) is None

    async def test_a_member_whose_credential_has_ended_is_not_found(self, store: Store) -> None:
        await keep(store, Revocation(ACME, "session:1", NOW))
        find = store.principals.member
        assert await find(MEMBER.user_id, ACME, unless_ended=("token", "session:1")) is None
        assert await find(MEMBER.user_id, GLOBEX, unless_ended=("session:1",)) is not None
        assert await find(MEMBER.user_id, ACME, unless_ended=("session:2",)) is not None

    async def test_a_key_comes_with_whom_it_acts_as_and_its_limits(self, store: Store) -> None:
        key = make_key(1)
        limit = LimitRecord(
            ACME, Subject.API_KEY, key.api_key_id, LimitKind.TOKENS_PER_MINUTE, "", 2**40
        )
        await keep(store, key, limit)
        stored = await store.principals.api_key(key.api_key_id)
        assert stored is not None
        assert (stored.key, stored.limits, stored.budgets) == (key, (limit.limit(),), ())
        assert stored.member.role is Role.MEMBER
        assert set(stored.member.limits) == set(MEMBER_LIMITS)
        assert stored.member.budgets == MEMBER_BUDGETS

    async def test_an_unknown_key_is_not_found(self, store: Store) -> None:
        assert await store.principals.api_key(make_key(1).api_key_id) is None

    async def test_a_key_whose_maker_is_no_member_is_not_found(self, store: Store) -> None:
        await keep(store, make_key(1, made_by=HOMELESS.user_id))
        assert await store.principals.api_key(make_key(1).api_key_id) is None


class SigningKeysSuite:
    """Subclasses provide a fixture `empty_store`."""

    async def test_of_racing_first_keys_one_stays(self, empty_store: Store) -> None:
        keys = [make_signing_key(n) for n in range(5)]
        added = await asyncio.gather(
            *(empty_store.signing_keys.add(k, known=(), others_retire_at=NOW) for k in keys)
        )
        assert sorted(added) == [False, False, False, False, True]
        assert await empty_store.signing_keys.all() == [keys[added.index(True)]]

    async def test_of_racing_successors_one_stays(self, empty_store: Store) -> None:
        store, first = empty_store.signing_keys, make_signing_key(0)
        await store.add(first, known=(), others_retire_at=NOW)
        keys = [make_signing_key(n) for n in range(1, 6)]
        added = await asyncio.gather(
            *(store.add(k, known={first.kid}, others_retire_at=NOW) for k in keys)
        )
        assert sorted(added) == [False, False, False, False, True]
        assert await store.all() == [replace(first, retires_at=NOW), keys[added.index(True)]]

    async def test_a_new_key_retires_the_others_but_never_later_than_before(
        self, empty_store: Store
    ) -> None:
        store = empty_store.signing_keys
        zero, one, two, three = (make_signing_key(n) for n in range(4))
        await store.add(zero, known=(), others_retire_at=NOW)
        soon, later = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
        await store.add(one, known={zero.kid}, others_retire_at=soon)
        await store.add(two, known={one.kid, zero.kid}, others_retire_at=later)
        retiring = {key.kid: key.retires_at for key in await store.all()}
        assert retiring == {zero.kid: soon, one.kid: later, two.kid: None}
        await store.add(three, known=retiring.keys(), others_retire_at=NOW)
        retiring = {key.kid: key.retires_at for key in await store.all()}
        assert retiring == {zero.kid: NOW, one.kid: NOW, two.kid: NOW, three.kid: None}

    async def test_keys_come_in_the_order_in_which_they_sign(self, empty_store: Store) -> None:
        late, early = make_signing_key(9), make_signing_key(1)
        await empty_store.signing_keys.add(late, known=(), others_retire_at=NOW)
        await empty_store.signing_keys.add(early, known={late.kid}, others_retire_at=NOW)
        assert [key.kid for key in await empty_store.signing_keys.all()] == [early.kid, late.kid]

    async def test_a_deleted_key_is_gone_and_its_deletion_may_be_repeated(
        self, empty_store: Store
    ) -> None:
        store, zero, one = empty_store.signing_keys, make_signing_key(0), make_signing_key(1)
        await store.add(zero, known=(), others_retire_at=NOW)
        await store.add(one, known={zero.kid}, others_retire_at=NOW)
        for _ in range(2):
            await store.delete([zero.kid, "unknown"])
            assert await store.all() == [one]


def make_signing_key(number: int) -> SealedSigningKey:
    """A key that begins to sign the later, the higher `number` is; it cannot be opened."""
    kid, activates_at = f"k{number}", NOW + timedelta(microseconds=number)
    return SealedSigningKey(kid, "ES256", b"x", {"kid": kid}, NOW, activates_at)


def _id(number: int) -> str:
    return f"01900000-0000-7000-8000-0000000001{number:02d}"
