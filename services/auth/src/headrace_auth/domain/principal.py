"""Who a request acts as: roles, scopes, limits, budgets, and the principal that holds them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a user is in one organisation."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"
    SERVICE = "service"


class Scope(StrEnum):
    """What a credential may be used for (RFC 6749, section 3.3)."""

    LLM_INVOKE = "llm:invoke"
    MODELS_READ = "models:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"


class CredentialKind(StrEnum):
    """How a caller proved who it is."""

    API_KEY = "api_key"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - not a password


class Subject(StrEnum):
    """Whose consumption a limit or a budget counts."""

    ORGANIZATION = "organization"
    TEAM = "team"
    USER = "user"
    API_KEY = "api_key"


class LimitKind(StrEnum):
    """What a limit counts."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    CONCURRENT_REQUESTS = "concurrent_requests"


class BudgetPeriod(StrEnum):
    """When a budget's count starts again."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on a rate (per minute) or on requests in flight; an empty `model` means all models."""

    kind: LimitKind
    subject: Subject
    subject_id: str
    amount: int
    model: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap on spending per period, in millionths of the currency's unit."""

    subject: Subject
    subject_id: str
    amount_micros: int
    currency: str
    period: BudgetPeriod
    time_zone: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user in one organisation as the database knows it now.

    `limits` and `budgets` are those of the user, the user's team and the organisation.
    """

    user_id: str
    organization_id: str
    role: Role
    token_version: int
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts as, through which credential, and what that one may do."""

    credential_id: str
    credential_kind: CredentialKind
    member: Member
    scopes: frozenset[Scope]
    limits: tuple[Limit, ...]
    budgets: tuple[Budget, ...]
    allowed_models: tuple[str, ...] = ()
    expires_at: datetime | None = None
