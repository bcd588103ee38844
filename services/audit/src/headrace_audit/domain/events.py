"""Events: who did what, when, from where, and how it ended; see `AuditEvent` in the proto."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID


class EventKind(StrEnum):
    """The kinds of acts; a contract test keeps them equal to the proto's."""

    COMPLETION = "completion"
    MODEL_LIST = "model_list"
    LOGIN = "login"
    API_KEY_CREATE = "api_key_create"
    API_KEY_LIST = "api_key_list"
    API_KEY_REVOKE = "api_key_revoke"
    ADMINISTRATION = "administration"
    SESSION = "session"
    CHANGE = "change"
    SECURITY = "security"
    EMBEDDING = "embedding"


class Outcome(StrEnum):
    """How an act ended; a contract test keeps them equal to the proto's."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Actor:
    """The identified principal; texts are empty where unknown."""

    user_id: str
    organization_id: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class ChargedBudget:
    """A budget in one of its periods; `model` is empty where it counts all of them."""

    subject: str
    model: str
    period: str
    period_start: datetime


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request cost, in millionths of a currency's unit, and the budgets that counted it."""

    currency: str
    amount_micros: int
    price_version: int
    budgets: tuple[ChargedBudget, ...]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a model request used, and how long its parts took; texts are empty where unknown."""

    model: str
    model_version: str
    guard_policy_version: str
    guard_decisions: tuple[str, ...]
    cache_status: str
    prompt_tokens: int
    completion_tokens: int
    finish_reasons: tuple[str, ...]
    total_time: timedelta | None
    time_to_first_token: timedelta | None
    queue_time: timedelta | None
    streamed: bool
    served_model: str
    cohort: str
    end_user: str
    cost: Cost | None


@dataclass(frozen=True, slots=True)
class Change:
    """A thing's state before and after, each a JSON object; empty where the thing did not exist."""

    before_json: str
    after_json: str


@dataclass(frozen=True, slots=True)
class Event:
    """One act; texts are empty and `http_status` is 0 where unknown."""

    event_id: UUID
    kind: EventKind
    occurred_at: datetime
    writer: str
    request_id: str
    actor: Actor | None
    source_address: str
    operation: str
    outcome: Outcome
    error_reason: str
    http_status: int
    resource: str
    model_use: ModelUse | None
    change: Change | None
