"""What several files of integration tests start: accounts in PostgreSQL, OpenID Connect logins."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.integration.openid_front import Forger, Front, fronting
from tests.stack.openid_provider import approve as approve_at_provider
from tests.stack.openid_provider import put_user, register_client, running_openid_provider

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.oidc import OpenIdProvider
from headrace_auth.adapters.postgres import tables
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_auth.testing.accounts import AccountWorld, account_world
from headrace_auth.testing.identity_providers import CALLBACK, Approve
from headrace_common.migrations import migrate
from headrace_common.postgres import create_engine
from headrace_common.testing.clock import FakeClock
from headrace_local.postgres import temporary_database

SUBJECT = "ada"


@pytest.fixture(scope="session")
def auth_template(postgres_server: Path, database_names: Iterator[str]) -> Iterator[str]:
    """The name of a database with auth's tables, for tests to have copies of.

    A copy is made as fast as an empty database; a migration takes six times as long.
    """
    name = next(database_names)
    with temporary_database(postgres_server, name) as url:
        asyncio.run(migrate(url, MIGRATIONS, tables.SCHEMA))
        yield name


@pytest.fixture
def auth_database_url(
    postgres_server: Path, database_names: Iterator[str], auth_template: str
) -> Iterator[str]:
    """The URL of a database of the test's own, with auth's tables and nothing in them."""
    name = next(database_names)
    with temporary_database(postgres_server, name, template=auth_template) as url:
        yield url


@pytest.fixture
async def auth_engine(auth_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(auth_database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def accounts_in_postgres(auth_engine: AsyncEngine) -> AsyncIterator[AccountWorld]:
    """People, their sessions and organisations, in a database of their own."""
    store = PostgresStore(auth_engine, timeout_seconds=5)
    async with account_world(store, FakeClock()) as world:
        yield world
    await store.close()


@pytest.fixture(scope="session")
def openid_provider_url() -> Iterator[str]:
    """One OpenID Connect provider for the whole run."""
    with running_openid_provider() as url:
        put_user(url, SUBJECT, email="Ada@Acme.Test", email_verified=True, name="Ada Lovelace")
        yield url


@pytest.fixture
def front(openid_provider_url: str) -> Iterator[Front]:
    """The same provider, as a test wants it to behave."""
    with fronting(openid_provider_url) as front:
        yield front


@pytest.fixture(scope="session")
def forgers_key() -> RSAKey:
    """Made once, for it takes its time."""
    return RSAKey.generate_key(2048)


@pytest.fixture
def forger(front: Front, forgers_key: RSAKey) -> Forger:
    return Forger(front, forgers_key)


@pytest.fixture
def clock() -> FakeClock:
    """The provider's time at first, for its tokens are of today."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
async def channel() -> AsyncIterator[BackChannel]:
    channel = BackChannel(timeout_seconds=20, maximum_connections=8)
    yield channel
    await channel.close()


@pytest.fixture
def provider_config(front: Front) -> ProviderConfig:
    client_id, secret = register_client(
        front.url, redirect_uri=CALLBACK, auth_method="client_secret_basic"
    )
    front.requests.clear()
    return ProviderConfig(
        name="acme",
        kind=ProviderKind.OIDC,
        issuer=front.url,
        client_id=client_id,
        client_secret=secret,
        allow_http_on_loopback=True,
    )


@pytest.fixture
def provider(
    provider_config: ProviderConfig, channel: BackChannel, clock: FakeClock
) -> OpenIdProvider:
    return OpenIdProvider(provider_config, channel, clock)


@pytest.fixture
def somebody() -> ExternalIdentity:
    return ExternalIdentity("acme", SUBJECT, "ada@acme.test", True, "Ada Lovelace")


@pytest.fixture
def approve() -> Approve:
    async def approve_as(url: str) -> str:
        return (await approve_at_provider(url, SUBJECT))["code"]

    return approve_as
