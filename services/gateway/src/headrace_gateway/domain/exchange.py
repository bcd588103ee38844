"""What is known about one request while it makes its way, and in the end goes into the audit."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from headrace_common.errors import HeadraceError, Kind, Reason
from headrace_gateway.domain.admission import Admission, BudgetCharge, Demand
from headrace_gateway.domain.budgets import cost_micros
from headrace_gateway.domain.completion import (
    Delta,
    Event,
    Finished,
    FinishReason,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.embedding import Embeddings
from headrace_gateway.domain.guard import GuardPolicy
from headrace_gateway.domain.principal import ModelPrice, Principal
from headrace_gateway.domain.routes import Endpoint
from headrace_gateway.domain.signed_request import SignedRequest, check_content_digest
from headrace_gateway.domain.stage_times import StageTimes

MAXIMUM_USER_AGENT = 200

REFUSALS = frozenset(
    {
        Kind.INVALID,
        Kind.UNAUTHENTICATED,
        Kind.FORBIDDEN,
        Kind.NOT_FOUND,
        Kind.NOT_ALLOWED,
        Kind.CONFLICT,
        Kind.TOO_LARGE,
        Kind.TOO_SLOW,
        Kind.LIMITED,
    }
)


class Activity(StrEnum):
    """What kind of thing a caller does."""

    COMPLETION = "completion"
    EMBEDDING = "embedding"
    MODEL_LIST = "model_list"
    LOGIN = "login"
    SESSION = "session"
    ADMINISTRATION = "administration"
    API_KEY_CREATE = "api_key_create"
    API_KEY_LIST = "api_key_list"
    API_KEY_REVOKE = "api_key_revoke"


class Outcome(StrEnum):
    """How it ended."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


def outcome_of(kind: Kind) -> Outcome:
    """Of a request that ended with such an error."""
    if kind is Kind.CANCELLED:
        return Outcome.CANCELLED
    return Outcome.REFUSED if kind in REFUSALS else Outcome.FAILED


@dataclass(slots=True)
class Exchange:
    """One request, filled by the stages as they learn; times in seconds of the monotonic clock."""

    request_id: str
    activity: Activity
    operation: str
    source_address: str
    credential: str
    occurred_at: datetime
    started: float

    principal: Principal | None = None
    from_memory: bool = False
    """Whether it was known who asks, without asking `auth`."""
    resource: str = ""
    demand: Demand | None = None
    """What admission was asked for, unless that was refused."""
    admission: Admission | None = None
    price: ModelPrice | None = None
    """Of the model, if it has one."""
    extended_micros: int = 0
    """Reserved of every budget since it was admitted."""
    cut_by: Reason | None = None
    """Why we ended an answer early that counts as given."""
    model: str = ""
    """The public id that was asked for."""
    model_version: str = ""
    served_model: str = ""
    """The id of the model that answers, where it runs; another one after a fallback."""
    cohort_asked: str = ""
    """The cohort or session that the caller names."""
    cohort: str = ""
    """The cohort of the server that was asked last."""
    target: str = ""
    """Its address."""
    attempts: int = 0
    """How many servers were asked."""
    guard_policy: GuardPolicy | None = None
    guard_policy_version: str = ""
    guard_decisions: list[str] = field(default_factory=list)
    prompt_masked: bool = False
    """Whether the model reads something else than the caller wrote."""
    request_digest: bytes = field(default=b"", repr=False)
    """By which the cache knows the request, if it was asked."""
    cache_status: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reasons: tuple[FinishReason, ...] = ()
    queue_seconds: float | None = None
    first_token_seconds: float | None = None
    streamed: bool = False
    user_agent: str = ""
    end_user: str = ""
    """Whom the caller asks for, in its own words."""
    signed: SignedRequest | None = None
    """What the sender claims by a signature instead of a credential."""
    signature_fault: HeadraceError | None = None
    """Why the signature cannot be one."""

    times: StageTimes | None = None
    """For a caller that asks for a trace."""
    stopped_by: HeadraceError | None = None
    """Why we stopped the work ourselves; without one, who stops it is the caller."""
    outcome: Outcome | None = None
    error: HeadraceError | None = None

    @property
    def cost_micros(self) -> int:
        """What was used costs so much by now; an answer from the cache costs nothing."""
        if self.cache_status == "hit":
            return 0
        return cost_micros(self.price, self.prompt_tokens, self.completion_tokens)

    @property
    def charged(self) -> tuple[BudgetCharge, ...]:
        """The budgets that count it; none of those that it passes uncounted."""
        if self.demand is None or (self.admission is not None and self.admission.local):
            return ()
        return self.demand.budget_charges

    @property
    def reserved_micros(self) -> int:
        """Of every budget that counts it."""
        charges = self.demand.budget_charges if self.demand else ()
        return self.extended_micros + (charges[0].cost_micros if charges else 0)

    def note(self, event: Event, now: float) -> None:
        """Remember what an event of the answer says about cost and time."""
        match event:
            case Started():
                self.served_model = event.model.id
                self.model_version = event.model.version
                self.queue_seconds = event.queue_seconds
                self.prompt_tokens = event.prompt_tokens
            case Delta():
                self.completion_tokens += event.tokens
                if self.first_token_seconds is None:
                    self.first_token_seconds = now - self.started
            case Finished():
                self.model_version = event.model.version
                self.prompt_tokens = event.prompt_tokens
                self.completion_tokens = event.completion_tokens
                self.finish_reasons = event.finish_reasons

    def cut_short(self, reason: FinishReason, choices: int) -> Finished:
        """The end of an answer that we end before the model does, with what it used so far."""
        return Finished(
            model=ModelVersion(self.served_model, self.model_version),
            finish_reasons=(reason,) * choices,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
        )

    def note_attempt(self, endpoint: Endpoint) -> None:
        """A server is asked."""
        self.attempts += 1
        self.target, self.cohort = endpoint.address, endpoint.cohort

    def note_embeddings(self, embeddings: Embeddings) -> None:
        """The same for embeddings, which come all at once."""
        self.served_model = embeddings.model.id
        self.model_version = embeddings.model.version
        self.queue_seconds = embeddings.queue_seconds
        self.prompt_tokens = embeddings.prompt_tokens

    def check_body(self, body: bytes) -> None:
        """Raise CREDENTIAL_INVALID for another body than the one that was signed."""
        if self.signed is not None:
            check_content_digest(self.signed.content_digest, body)

    def run_out_of_time(self) -> None:
        """The process must end, and the answer takes too long for it."""
        self.stopped_by = HeadraceError(
            Reason.NOT_SERVING,
            "The server is shutting down and the answer took too long for it.",
        )

    def succeed(self) -> None:
        self.outcome = Outcome.SUCCEEDED

    def fail(self, error: BaseException) -> None:
        """Remember how it failed; a cancelled task or closed generator is a caller that left.

        Unless we stopped the work: then its `stopped_by` is the reason.
        """
        if isinstance(error, HeadraceError):
            self.error = error
        elif isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            gone = HeadraceError(Reason.CANCELLED, "the caller went away")
            self.error = self.stopped_by or gone
        else:
            self.error = HeadraceError(Reason.INTERNAL, "internal error")
        self.outcome = outcome_of(self.error.kind)
