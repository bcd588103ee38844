"""A seeded in-memory store with everything around it, on a clock that stands still."""

from collections.abc import AsyncIterator

import pytest

from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.composition.accounts import create_own_sessions
from headrace_auth.composition.identity import Identity, create_rotation
from headrace_auth.crypto.passwords import PasswordCost, Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.testing.accounts import AccountWorld, account_world
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.federation import FederationWorld, federation_world
from headrace_auth.testing.identity import memory_identity
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener
from headrace_auth.use_cases.sessions.own_sessions import OwnSessions
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.testing.clock import FakeClock


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
def announcer() -> MemoryRevocationAnnouncer:
    return MemoryRevocationAnnouncer()


@pytest.fixture
def mailer() -> MemoryMailer:
    return MemoryMailer()


@pytest.fixture
def identity(
    store: MemoryStore,
    clock: FakeClock,
    passwords: Passwords,
    announcer: MemoryRevocationAnnouncer,
    mailer: MemoryMailer,
) -> Identity:
    return memory_identity(store, clock, passwords=passwords, announcer=announcer, mailer=mailer)


@pytest.fixture
def sealer(identity: Identity) -> Sealer:
    return identity.sealer


@pytest.fixture
def tokens(identity: Identity) -> AccessTokens:
    return identity.tokens


@pytest.fixture
async def rotation(identity: Identity) -> SigningKeyRotation:
    rotation = create_rotation(identity)
    await rotation.refresh()
    return rotation


@pytest.fixture
def acts(identity: Identity) -> Acts:
    return identity.acts


@pytest.fixture
def opener(identity: Identity, rotation: SigningKeyRotation) -> SessionOpener:
    return identity.opener


@pytest.fixture
def throttle(identity: Identity) -> LoginThrottle:
    return identity.throttles.logins


@pytest.fixture
def outgoing_mail(identity: Identity) -> OutgoingMail:
    return identity.outgoing_mail


@pytest.fixture
def second_factors(identity: Identity) -> SecondFactors:
    return identity.second_factors


@pytest.fixture
def login(identity: Identity, rotation: SigningKeyRotation) -> Login:
    return identity.login


@pytest.fixture
def sessions(identity: Identity, rotation: SigningKeyRotation) -> OwnSessions:
    return create_own_sessions(identity)


@pytest.fixture
def resolver(identity: Identity) -> CredentialResolver:
    return identity.resolver


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
