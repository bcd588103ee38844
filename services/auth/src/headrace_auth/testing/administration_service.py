"""The whole of auth behind real gRPC, with people of the directory logged in to it."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from prometheus_client import CollectorRegistry

from headrace.auth.v1 import sessions_pb2, sessions_pb2_grpc
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.adapters.memory_nonces import MemoryNonces
from headrace_auth.app import build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.settings import AuthSettings
from headrace_auth.testing.directory import PASSWORD, Person
from headrace_auth.testing.seeding import seed
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

SECONDS = 5.0


@dataclass(slots=True)
class AdministrationService:
    """A stub that calls as people; what it was built on, for tests to look at."""

    channel: grpc.aio.Channel
    stub: Any
    store: MemoryStore
    mailer: MemoryMailer
    announcer: MemoryRevocationAnnouncer
    clock: FakeClock
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    async def call(self, person: Person | None, name: str, request: Any) -> Any:
        """The answer; raises HeadraceError as the gateway would."""
        metadata = []
        if person is not None:
            metadata = [("authorization", f"Bearer {await self.token(person)}")]
        with translate_rpc_errors("auth"):
            return await getattr(self.stub, name)(request, metadata=metadata, timeout=SECONDS)

    async def token(self, person: Person) -> str:
        """The access token of the person's only login."""
        if person.email not in self.tokens:
            login = sessions_pb2.LoginRequest(email=person.email, password=PASSWORD)
            login.organization_id = person.joined[0][0]
            stub = sessions_pb2_grpc.SessionServiceStub(self.channel)
            response = await stub.Login(login, timeout=SECONDS)
            self.tokens[person.email] = response.tokens.access_token
        return self.tokens[person.email]


@asynccontextmanager
async def serving_auth(stub_of: Callable[[Any], Any]) -> AsyncIterator[AdministrationService]:
    """Serve over a seeded store in memory; `stub_of` makes the stub from the channel."""
    settings = AuthSettings(
        database_url="unused",
        redis_url="unused",
        audit_target="unused:1",
        key_encryption_key=base64.b64encode(b"k" * 32).decode(),
        argon2_time_cost=1,
        argon2_memory_kib=8,
        argon2_parallelism=1,
    )
    clock, mailer, announcer = FakeClock(), MemoryMailer(), MemoryRevocationAnnouncer()
    store, passwords = MemoryStore(clock), Passwords(settings.password_cost())
    await seed(store, await passwords.hash(PASSWORD))
    service = await build(
        settings,
        store=store,
        announcer=announcer,
        passwords=passwords,
        mailer=mailer,
        nonces=MemoryNonces(clock),
        registry=CollectorRegistry(),
        clock=clock,
    )
    try:
        async with serving(service.registrations) as channel:
            yield AdministrationService(channel, stub_of(channel), store, mailer, announcer, clock)
    finally:
        await passwords.close()
