"""A whole auth service behind real gRPC, called as people of the directory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from headrace_auth.testing.directory import Person
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.clock import FakeClock

SECONDS = 5.0


@dataclass(slots=True)
class AdministrationService:
    """A stub that calls as whoever is named; each person logs in once."""

    running: RunningAuth
    stub: Any
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
            self.tokens[person.email] = await self.running.token_of(person.email)
        return self.tokens[person.email]


@asynccontextmanager
async def serving_auth(stub_of: Callable[[Any], Any]) -> AsyncIterator[AdministrationService]:
    """Serve over a seeded store in memory; `stub_of` makes the stub from the channel."""
    async with running_auth(FakeClock()) as running:
        yield AdministrationService(running, stub_of(running.channel))
