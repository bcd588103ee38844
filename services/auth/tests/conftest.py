"""A seeded in-memory store with everything around it, on a clock that stands still."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.crypto.passwords import PasswordCost, Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.access_tokens import Audience
from headrace_auth.domain.key_rotation import RotationPolicy
from headrace_auth.domain.lockout import ACCOUNT_POLICY, ADDRESS_POLICY
from headrace_auth.testing.accounts import AccountWorld, account_world
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.federation import FederationWorld, federation_world
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.testing.settings import LINKS
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener, SessionPolicy
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.testing.clock import FakeClock

POLICY = RotationPolicy.of(
    algorithm="ES256",
    period=timedelta(days=30),
    lead=timedelta(hours=1),
    token_life=timedelta(minutes=30),
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    cost = PasswordCost(time_cost=1, memory_kib=8, parallelism=1, threads=2, maximum_pending=8)
    passwords = Passwords(cost)
    yield passwords
    await passwords.close()


@pytest.fixture
async def store(passwords: Passwords, clock: FakeClock) -> MemoryStore:
    store = MemoryStore(clock)
    await seed(store, await passwords.hash(PASSWORD))
    return store


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(b"k" * 32)


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(Audience("https://headrace.test", "headrace"))


@pytest.fixture
async def rotation(
    store: MemoryStore, sealer: Sealer, tokens: AccessTokens, clock: FakeClock
) -> SigningKeyRotation:
    rotation = SigningKeyRotation(store.signing_keys, sealer, tokens, clock, POLICY)
    await rotation.refresh()
    return rotation


@pytest.fixture
def announcer() -> MemoryRevocationAnnouncer:
    return MemoryRevocationAnnouncer()


@pytest.fixture
def acts(store: MemoryStore, announcer: MemoryRevocationAnnouncer, clock: FakeClock) -> Acts:
    return Acts(store, announcer, clock, EntryEncoder("auth/test"))


@pytest.fixture
def opener(
    store: MemoryStore, tokens: AccessTokens, rotation: SigningKeyRotation, clock: FakeClock
) -> SessionOpener:
    policy = SessionPolicy(1800, refresh_token_seconds=7 * 86_400, session_seconds=30 * 86_400)
    return SessionOpener(store.principals, tokens, clock, policy)


@pytest.fixture
def throttle(acts: Acts) -> LoginThrottle:
    return LoginThrottle(acts, ACCOUNT_POLICY, ADDRESS_POLICY)


@pytest.fixture
def mailer() -> MemoryMailer:
    return MemoryMailer()


@pytest.fixture
def outgoing_mail(mailer: MemoryMailer) -> OutgoingMail:
    return OutgoingMail(mailer, LINKS)


@pytest.fixture
def second_factors(sealer: Sealer, clock: FakeClock, outgoing_mail: OutgoingMail) -> SecondFactors:
    return SecondFactors(sealer, clock, outgoing_mail)


@pytest.fixture
def login(
    acts: Acts,
    passwords: Passwords,
    throttle: LoginThrottle,
    second_factors: SecondFactors,
    opener: SessionOpener,
) -> Login:
    return Login(acts, passwords, throttle, second_factors, opener)


@pytest.fixture
def sessions(acts: Acts, opener: SessionOpener) -> OwnSessions:
    return OwnSessions(acts, opener)


@pytest.fixture
def resolver(store: MemoryStore, tokens: AccessTokens, clock: FakeClock) -> CredentialResolver:
    return CredentialResolver(store, tokens, clock)


@pytest.fixture
def key_manager(acts: Acts) -> KeyManager:
    return KeyManager(acts, credential_notices())


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[AccountWorld]:
    """Accounts over a store of their own."""
    async with account_world(MemoryStore(clock), clock) as world:
        yield world


@pytest.fixture
def federation(world: AccountWorld) -> FederationWorld:
    """Logins through identity providers, where anybody may register."""
    return federation_world(world)
