"""What the gateway needs from outside, as small protocols."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from headrace_gateway.domain.admission import Admission, Demand, Holding, Settlement
from headrace_gateway.domain.completion import Answer, CompletionRequest, Events, ModelCard
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.key_uses import UseBatch
from headrace_gateway.domain.policy_book import PolicyBook
from headrace_gateway.domain.principal import Principal
from headrace_gateway.domain.routes import RouteTable
from headrace_gateway.domain.signed_request import SignedRequest


class CredentialResolver(Protocol):
    """Knows the principal behind a credential."""

    async def resolve(self, credential: str) -> Principal:
        """Raises CREDENTIAL_INVALID, or DEPENDENCY_UNAVAILABLE when it cannot tell."""

    async def resolve_signed(self, signed: SignedRequest) -> Principal:
        """As `resolve`, once: the same request again is CREDENTIAL_INVALID."""


class UseReports(Protocol):
    """Adds up how often keys are used."""

    async def report(self, batch: UseBatch) -> None:
        """Return once it is added, and only once however often it comes.

        Raises INVALID_FIELD for a batch that never will be, and DEPENDENCY_UNAVAILABLE.
        """


class TokenVerifier(Protocol):
    """Checks access tokens without asking anybody."""

    def verify(self, token: str) -> None:
        """Raises CREDENTIAL_INVALID unless signature, issuer, audience and times are right."""


class PublishedKeys(Protocol):
    """The keys that access tokens are signed with."""

    def jwks(self) -> Sequence[Mapping[str, Any]]:
        """The public keys as JWKs (RFC 7517); raises NOT_SERVING until they are known."""


class Limiter(Protocol):
    """Holds requests to limits and budgets, exactly, over all replicas.

    Every method raises DEPENDENCY_UNAVAILABLE when it cannot count. What a request holds, which is
    its place among those in flight and what it has reserved of budgets, has a lease: if nobody
    renews that, what the request had used is spent, and the rest given back.
    """

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        """Take all that is asked for, or nothing."""

    async def extend(self, holding: Holding, more_micros: int) -> int:
        """Reserve up to so much more of every budget; how much it was, 0 for none."""

    async def renew(self, holdings: Sequence[Holding]) -> None:
        """Begin their leases anew; what is not held any more stays so."""

    async def settle(self, settlement: Settlement) -> None:
        """Put what was used in the place of what was reserved; of what is held, once.

        What a rate has regained by itself since the admission is not given a second time.
        """


class InferenceTarget(Protocol):
    """One model server."""

    def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        """Stream an answer; closing the generator stops the work behind it."""

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        """Make vectors; being cancelled stops the work behind it."""

    async def models(self) -> Sequence[ModelCard]:
        """What it serves; raises DEPENDENCY_UNAVAILABLE or NOT_SERVING."""

    async def load(self) -> float:
        """Slots that are asked for per slot there is: 1 is full; raises DEPENDENCY_UNAVAILABLE."""

    async def close(self) -> None:
        """Let go of the connection; what still runs over it fails."""


class TargetSource(Protocol):
    """Knows which servers there are."""

    def tables(self) -> AsyncGenerator[RouteTable, None]:
        """The route table, and another one whenever it changes.

        It ends if the table can never change. Before the first one, raises INVALID_FIELD for one
        that breaks a rule; later ones that do are logged and left out.
        """


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


class GuardPolicies(Protocol):
    """Knows the guard policies in force."""

    @property
    def book(self) -> PolicyBook:
        """What is in force now; what began with another goes on with that."""


class EventEntry(Protocol):
    """The place of one exchange's event; what was written is never lost."""

    def note(self, exchange: Exchange, seconds: float) -> None:
        """From now on a killed process leaves an event, too, with what is known by now.

        Raises AUDIT_UNAVAILABLE, unless it is noted already: then that stands.
        """

    def note_end(self, exchange: Exchange, seconds: float) -> None:
        """The same for an exchange that has ended, if it was noted; never raises.

        What is recorded is this then.
        """

    def settled(self) -> None:
        """What that told is settled; until then a killed process leaves it to be settled, too."""

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Write the event of the exchange, which has ended; raises AUDIT_UNAVAILABLE."""


class EventLog(Protocol):
    """Takes audit events."""

    def open(self) -> EventEntry:
        """Keep a place until its `record`; raises AUDIT_UNAVAILABLE when there is none."""


@dataclass(frozen=True, slots=True)
class AccountAnswer:
    """What a call of the account side answered, by field name."""

    fields: Mapping[str, Any] = field(repr=False)
    principal: Principal | None = None
    """Who it turned out to be, where the call was about finding out."""


class Accounts(Protocol):
    """Everything about accounts and administration; `auth` alone decides who may do it."""

    async def call(self, name: str, fields: Mapping[str, Any], exchange: Exchange) -> AccountAnswer:
        """Make a call, for example `ApiKeyService/CreateApiKey`, for whoever the exchange is.

        Fields are named as in the proto; moments are datetimes, enum members lower-case names.
        Raises what `auth` raises, and DEPENDENCY_UNAVAILABLE.
        """


@dataclass(frozen=True, slots=True)
class EndedPage:
    """Organisation and revocation id of what ended, and the clock to ask with next time."""

    ended: Sequence[tuple[str, str]]
    now: datetime
    next_page: str = ""
    """What to ask for the next page with; empty on the last one."""


class Revocations(Protocol):
    """Tells which principals have ended."""

    async def since(self, moment: datetime, page: str = "") -> EndedPage:
        """A page of what ended after a moment, the first one unless `page` says which."""
