"""What the gateway needs from outside, as small protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from headrace_gateway.domain.completion import Answer, CompletionRequest, Events, ModelCard
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.rates import Admission, Charge


class CredentialResolver(Protocol):
    """Knows the principal behind a credential."""

    async def resolve(self, credential: str) -> Principal:
        """Raises CREDENTIAL_INVALID, or DEPENDENCY_UNAVAILABLE when it cannot tell."""


class TokenVerifier(Protocol):
    """Checks access tokens without asking anybody."""

    def verify(self, token: str) -> None:
        """Raises CREDENTIAL_INVALID unless signature, issuer, audience and times are right."""


class RateLimiter(Protocol):
    """Counts rates, exactly, over all replicas."""

    async def admit(self, principal: Principal, charges: Sequence[Charge]) -> Admission:
        """Take all charges or none; raises DEPENDENCY_UNAVAILABLE when it cannot count."""

    async def settle(
        self, principal: Principal, admission: Admission, corrections: Sequence[Charge]
    ) -> None:
        """Give back what was reserved and not used; a negative cost takes more.

        What the bucket has regained by itself since the admission is not given a second time.
        """


class InferenceTarget(Protocol):
    """One model server."""

    def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        """Stream an answer; closing the generator stops the work behind it."""

    async def models(self) -> Sequence[ModelCard]:
        """What it serves; raises DEPENDENCY_UNAVAILABLE or NOT_SERVING."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Names an answer in the cache; see `CacheKey` in the cache's proto."""

    organization_id: str
    model: str
    model_version: str
    guard_policy_version: str
    request_digest: bytes


class AnswerStore(Protocol):
    """Keeps complete answers; may forget."""

    async def look_up(self, key: AnswerKey) -> Answer | None:
        """The answer stored under `key`; raises HeadraceError when it cannot tell."""

    async def store(self, key: AnswerKey, answer: Answer) -> None:
        """Keep `answer`; raises HeadraceError when it cannot."""


class EventEntry(Protocol):
    """The place of one exchange's event; what was written is never lost."""

    def begin(self, exchange: Exchange, seconds: float) -> None:
        """From now on a killed process leaves an event, too; raises AUDIT_UNAVAILABLE."""

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Write the event of the exchange, which has ended; raises AUDIT_UNAVAILABLE."""


class EventLog(Protocol):
    """Takes audit events."""

    def open(self) -> EventEntry:
        """Keep a place until its `record`; raises AUDIT_UNAVAILABLE when there is none."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a login brings."""

    access_token: str
    expires_in_seconds: int
    principal: Principal


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    allowed_models: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    requests_per_minute: int | None
    tokens_per_minute: int | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """What a person asks for when making a key."""

    name: str
    scopes: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Accounts(Protocol):
    """Logins and keys; every call but `login` carries the person's own credential."""

    async def login(self, email: str, password: str) -> Session:
        """Raises LOGIN_FAILED."""

    async def create_key(self, credential: str, wanted: NewApiKey) -> tuple[ApiKey, str]:
        """The key and its secret; raises PERMISSION_DENIED, INVALID_FIELD."""

    async def list_keys(
        self, credential: str, page_size: int, page_token: str
    ) -> tuple[Sequence[ApiKey], str]:
        """A page of keys and the next page's token (empty on the last)."""

    async def revoke_key(self, credential: str, key_id: str) -> ApiKey:
        """Raises RESOURCE_NOT_FOUND, PERMISSION_DENIED."""
