"""A whole auth service over memory, behind a real gRPC server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from prometheus_client import CollectorRegistry

from headrace.auth.v1 import sessions_pb2, sessions_pb2_grpc
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.adapters.memory_nonces import MemoryNonces
from headrace_auth.app import AuthService, build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.settings import AuthSettings
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.testing.seeding import seed
from headrace_auth.testing.settings import memory_settings
from headrace_auth.use_cases.federation.federated_logins import Federation
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    """What a call with this credential carries."""
    return (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True, slots=True)
class RunningAuth:
    """A channel to the service, and what is behind it, for tests to set and to look at."""

    channel: grpc.aio.Channel
    store: MemoryStore
    announcer: MemoryRevocationAnnouncer
    mailer: MemoryMailer
    service: AuthService
    clock: FakeClock
    settings: AuthSettings
    registry: CollectorRegistry
    nonces: MemoryNonces

    async def token_of(self, email: str, password: str = PASSWORD) -> str:
        """The access token of a new login."""
        login = sessions_pb2_grpc.SessionServiceStub(self.channel).Login
        response: sessions_pb2.LoginResponse = await login(
            sessions_pb2.LoginRequest(email=email, password=password), timeout=5
        )
        return response.tokens.access_token

    async def bearer_of(self, email: str) -> Metadata:
        """What a call of somebody who has just logged in carries."""
        return bearer(await self.token_of(email))


@asynccontextmanager
async def running_auth(
    clock: FakeClock,
    store: MemoryStore | None = None,
    federation: Federation | None = None,
    **settings: object,
) -> AsyncIterator[RunningAuth]:
    """The service over `store` as it is, or over one of its own with the directory in it."""
    configured, registry = memory_settings(**settings), CollectorRegistry()
    passwords, announcer = Passwords(configured.password_cost()), MemoryRevocationAnnouncer()
    mailer, nonces = MemoryMailer(), MemoryNonces(clock)
    try:
        if store is None:
            store = MemoryStore(clock)
            await seed(store, await passwords.hash(PASSWORD))
        service = await build(
            configured,
            store=store,
            announcer=announcer,
            nonces=nonces,
            mailer=mailer,
            passwords=passwords,
            registry=registry,
            clock=clock,
            federation=federation,
        )
        async with serving(service.registrations) as channel:
            yield RunningAuth(
                channel, store, announcer, mailer, service, clock, configured, registry, nonces
            )
        await service.oauth_bridge.close()
    finally:
        await passwords.close()
