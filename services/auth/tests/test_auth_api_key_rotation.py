"""Rotation: at any time exactly the expected secrets of a key work, at auth and at gateways."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import Audience
from headrace_auth.domain.api_key_updates import MAXIMUM_OVERLAP, ApiKeyUpdate, check_overlap
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.principal import Principal, Scope
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import ACME, ADMIN, AUDITOR, MEMBER, OUTSIDER, OWNER, SERVICE
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey, KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

ALL = frozenset({Scope.LLM_INVOKE, Scope.KEYS_WRITE})
REQUEST = ApiKeyRequest("key", ALL, (), None, ())
DAY = timedelta(days=1)
NEVER = datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def changer(acts: Acts) -> KeyChanger:
    return KeyChanger(acts, credential_notices())


@pytest.fixture
async def member(store: MemoryStore) -> Caller:
    return await caller_of(store, MEMBER)


@pytest.fixture
async def created(member: Caller, key_manager: KeyManager) -> CreatedApiKey:
    return await key_manager.create(member, REQUEST)


async def _works(resolver: CredentialResolver, created: CreatedApiKey) -> bool:
    try:
        await resolver.resolve(created.text.reveal())
    except HeadraceError as error:
        if error.reason is not Reason.CREDENTIAL_INVALID:
            raise
        return False
    return True


async def _refused(changer: KeyChanger, caller: Caller, created: CreatedApiKey) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await changer.rotate(caller, created.text.api_key_id, DAY)
    return caught.value


async def test_both_secrets_work_until_the_overlap_ends(
    changer: KeyChanger,
    member: Caller,
    created: CreatedApiKey,
    resolver: CredentialResolver,
    clock: FakeClock,
) -> None:
    rotated = await changer.rotate(member, created.text.api_key_id, DAY)
    assert rotated.text.api_key_id == created.text.api_key_id
    assert rotated.text.secret != created.text.secret
    ends = clock.now() + DAY
    assert rotated.view.key.previous_secret_expires_at == ends
    assert (await resolver.resolve(created.text.reveal())).expires_at == ends
    assert (await resolver.resolve(rotated.text.reveal())).expires_at is None
    clock.advance(DAY.total_seconds())
    assert not await _works(resolver, created)
    assert await _works(resolver, rotated)


async def test_without_an_overlap_the_secret_ends_at_once(
    changer: KeyChanger, member: Caller, created: CreatedApiKey, resolver: CredentialResolver
) -> None:
    rotated = await changer.rotate(member, created.text.api_key_id, timedelta(0))
    assert rotated.view.key.previous_secret_expires_at is None
    assert not await _works(resolver, created)
    assert await _works(resolver, rotated)


async def test_what_the_key_may_do_stays(
    changer: KeyChanger, member: Caller, created: CreatedApiKey
) -> None:
    before, after = created.view.key, (await changer.rotate(member, created.text.api_key_id, DAY))
    secrets = ("secret_sha256", "previous_secret_sha256", "previous_secret_expires_at", "version")
    reset = {name: getattr(before, name) for name in secrets}
    assert replace(after.view.key, **reset) == before


async def test_the_audit_has_no_secret(
    changer: KeyChanger, member: Caller, created: CreatedApiKey, store: MemoryStore
) -> None:
    rotated = await changer.rotate(member, created.text.api_key_id, DAY)
    events = [event.payload for event in await store.announcements.undelivered(9)]
    assert any(b"api_key.rotate" in event for event in events)
    for text in (created.text, rotated.text):
        for secret in (text.secret.encode(), text.secret_sha256, text.secret_sha256.hex().encode()):
            assert not any(secret in event for event in events)
        assert text.secret not in repr((created, rotated))


async def test_a_service_accounts_key_is_rotated_by_owners_and_admins(
    changer: KeyChanger, key_manager: KeyManager, store: MemoryStore, resolver: CredentialResolver
) -> None:
    invoke = replace(REQUEST, scopes=frozenset({Scope.LLM_INVOKE}), user_id=SERVICE.user_id)
    owner = await caller_of(store, OWNER)
    created = await key_manager.create(owner, invoke)
    for person in (OWNER, ADMIN):
        rotated = await changer.rotate(
            await caller_of(store, person), created.text.api_key_id, timedelta(0)
        )
        assert await _works(resolver, rotated)


async def test_nobody_gets_the_secret_of_another_person(
    changer: KeyChanger, created: CreatedApiKey, store: MemoryStore, resolver: CredentialResolver
) -> None:
    for person, reason in (
        (OWNER, Reason.PERMISSION_DENIED),
        (ADMIN, Reason.PERMISSION_DENIED),
        (AUDITOR, Reason.PERMISSION_DENIED),
        (OUTSIDER, Reason.RESOURCE_NOT_FOUND),
    ):
        refusal = await _refused(changer, await caller_of(store, person), created)
        assert refusal.reason is reason
    assert await _works(resolver, created)


async def _with(resolver: CredentialResolver, member: Caller, created: CreatedApiKey) -> Caller:
    credential = created.text.reveal()
    return replace(member, principal=await resolver.resolve(credential), credential=credential)


async def test_a_key_rotates_itself_but_no_other(
    changer: KeyChanger,
    key_manager: KeyManager,
    member: Caller,
    created: CreatedApiKey,
    resolver: CredentialResolver,
) -> None:
    other = await key_manager.create(member, REQUEST)
    itself = await _with(resolver, member, created)
    assert (await _refused(changer, itself, other)).reason is Reason.PERMISSION_DENIED
    assert await _works(resolver, await changer.rotate(itself, created.text.api_key_id, DAY))


async def test_a_secret_that_was_rotated_does_not_rotate(
    changer: KeyChanger, member: Caller, created: CreatedApiKey, resolver: CredentialResolver
) -> None:
    old = await _with(resolver, member, created)
    rotated = await changer.rotate(member, created.text.api_key_id, DAY)
    assert (await _refused(changer, old, created)).reason is Reason.PERMISSION_DENIED
    assert await _works(resolver, rotated)


async def test_an_application_rotates_nothing(
    changer: KeyChanger, created: CreatedApiKey, store: MemoryStore
) -> None:
    application = await caller_of(store, MEMBER, client_id="app")
    refusal = await _refused(changer, application, created)
    assert refusal.reason is Reason.PERMISSION_DENIED


async def test_a_key_that_has_ended_is_not_rotated(
    changer: KeyChanger,
    key_manager: KeyManager,
    member: Caller,
    created: CreatedApiKey,
    clock: FakeClock,
) -> None:
    expiring = replace(REQUEST, expires_at=clock.now() + timedelta(seconds=1))
    expired = await key_manager.create(member, expiring)
    clock.advance(1)
    await key_manager.revoke(member, created.text.api_key_id)
    for ended in (expired, created):
        refusal = await _refused(changer, member, ended)
        assert (refusal.reason, refusal.param) == (Reason.INVALID_FIELD, "api_key_id")


async def test_of_rotations_at_once_the_last_two_secrets_work(
    changer: KeyChanger, member: Caller, created: CreatedApiKey, resolver: CredentialResolver
) -> None:
    rotated = await asyncio.gather(
        *(changer.rotate(member, created.text.api_key_id, DAY) for _ in range(5))
    )
    assert [await _works(resolver, each) for each in (created, *rotated)] == [
        *(False, False, False, False),
        *(True, True),
    ]


@pytest.mark.parametrize("seconds", [0, 1, 604_800])
def test_overlaps_within_a_week(seconds: int) -> None:
    assert check_overlap(seconds) == timedelta(seconds=seconds)


def test_an_overlap_is_a_day_unless_told() -> None:
    assert check_overlap(None) == DAY


def test_longer_overlaps_are_refused() -> None:
    with pytest.raises(HeadraceError) as caught:
        check_overlap(604_801)
    assert caught.value.param == "overlap_seconds"


@dataclass
class Known:
    """What a gateway has heard of a secret."""

    created: CreatedApiKey
    principal: Principal


class Rotations(RuleBasedStateMachine):
    """A key that is rotated, changed, revoked; a gateway that keeps what it once resolved."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.announcer = MemoryRevocationAnnouncer()
        acts = Acts(self.store, self.announcer, self.clock, EntryEncoder("auth/test"))
        self.manager, self.changer = (
            KeyManager(acts, credential_notices()),
            KeyChanger(acts, credential_notices()),
        )
        self.secrets: list[CreatedApiKey] = []
        self.works_until: list[datetime] = []
        self.revoked = False
        self.key_ends = NEVER
        self.known: list[Known] = []

    def teardown(self) -> None:
        self.runner.close()

    @initialize()
    def make(self) -> None:
        async def make() -> tuple[Caller, CreatedApiKey, CredentialResolver]:
            await seed(self.store, "hash")
            member = await caller_of(self.store, MEMBER)
            tokens = AccessTokens(Audience("https://headrace.test", "headrace"))
            created = await self.manager.create(member, REQUEST)
            return member, created, CredentialResolver(self.store, tokens, self.clock)

        self.member, created, self.resolver = self.runner.run(make())
        self.secrets.append(created)
        self.works_until.append(NEVER)

    @property
    def key_id(self) -> str:
        return self.secrets[0].text.api_key_id

    @rule(overlap=st.timedeltas(timedelta(0), MAXIMUM_OVERLAP))
    def rotate(self, overlap: timedelta) -> None:
        if self.key_ends <= self.clock.now():
            return
        rotated = self.runner.run(self.changer.rotate(self.member, self.key_id, overlap))
        self.works_until = [self.clock.now()] * (len(self.secrets) - 1)
        self.works_until += [self.clock.now() + overlap, NEVER]
        self.secrets.append(rotated)

    @rule(life=st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=9)))
    def change_expiry(self, life: timedelta | None) -> None:
        if self.revoked:
            return
        expires_at = None if life is None else self.clock.now() + life
        update = ApiKeyUpdate({"expires_at": expires_at})
        self.runner.run(self.changer.update(self.member, self.key_id, update))
        self.key_ends = expires_at or NEVER

    @rule(really=st.sampled_from([False] * 9 + [True]))
    def revoke(self, really: bool) -> None:
        if really:
            self.runner.run(self.manager.revoke(self.member, self.key_id))
            self.key_ends, self.revoked = self.clock.now(), True

    @rule(time=st.timedeltas(timedelta(seconds=1), timedelta(days=8)))
    def wait(self, time: timedelta) -> None:
        self.clock.advance(time.total_seconds())

    @rule(number=st.integers(0, 30))
    def ask(self, number: int) -> None:
        created = self.secrets[number % len(self.secrets)]
        if self.expected(self.secrets.index(created)):
            principal = self.runner.run(self.resolver.resolve(created.text.reveal()))
            assert not self.is_announced(principal), "gateways would refuse what works"
            self.known.append(Known(created, principal))

    def is_announced(self, principal: Principal) -> bool:
        announced = set(self.announcer.announced)
        return any((ACME, each) in announced for each in principal.revocation_ids)

    def expected(self, number: int) -> bool:
        return self.clock.now() < min(self.works_until[number], self.key_ends)

    @invariant()
    def exactly_the_expected_secrets_work(self) -> None:
        for number, created in enumerate(self.secrets):
            works = self.runner.run(_works(self.resolver, created))
            assert works is self.expected(number)

    @invariant()
    def a_gateway_believes_none_of_the_others(self) -> None:
        for known in self.known:
            principal = known.principal
            expired = principal.expires_at is not None and principal.expires_at <= self.clock.now()
            if not expired and not self.is_announced(principal):
                assert self.expected(self.secrets.index(known.created))


TestRotations = Rotations.TestCase
TestRotations.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
