"""Who a request acts as: roles, scopes, limits, budgets, and the principal that holds them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.revocation_ids import (
    api_key_revocation,
    client_revocation,
    membership_revocation,
    organization_revocation,
    session_revocation,
    user_revocation,
)


class Role(StrEnum):
    """What a user is in one organisation."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    AUDITOR = "auditor"
    SERVICE = "service"


class Scope(StrEnum):
    """What a credential may be used for (RFC 6749, section 3.3).

    `llm:trace` shows how a gateway decided about a request (docs/adr/0034). `account` is one's own:
    sessions, password, second factor. `organization` is its teams, users, roles and invitations,
    `clients` its OAuth2 clients, `platform` what concerns all organisations.
    """

    LLM_INVOKE = "llm:invoke"
    LLM_TRACE = "llm:trace"
    MODELS_READ = "models:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    ACCOUNT_READ = "account:read"
    ACCOUNT_WRITE = "account:write"
    ORGANIZATION_READ = "organization:read"
    ORGANIZATION_WRITE = "organization:write"
    LIMITS_READ = "limits:read"
    LIMITS_WRITE = "limits:write"
    CLIENTS_READ = "clients:read"
    CLIENTS_WRITE = "clients:write"
    PLATFORM_WRITE = "platform:write"


class CredentialKind(StrEnum):
    """How a caller proved who it is."""

    API_KEY = "api_key"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - not a password
    SIGNATURE = "signature"


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


class Tier(StrEnum):
    """How much an organisation is promised; see `tiers` for the limits that come with one."""

    FREE = "free"
    STANDARD = "standard"
    PREMIUM = "premium"


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
    model: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A user in one organisation as the database knows it now.

    `limits` and `budgets` are those of the user, the user's team and the organisation; `version`
    and `organization_version` count the changes of the membership and of the organisation.
    """

    user_id: str
    organization_id: str
    role: Role
    token_version: int
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    team_id: str | None = None
    version: int = 1
    organization_version: int = 1
    in_platform: bool = False
    """Whether the organisation is the one that runs this installation."""
    tier: Tier = Tier.STANDARD
    """The organisation's."""
    price_version: int = 0
    """Of the price table in force; 0 while there is none."""


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
    allowed_networks: tuple[str, ...] = ()
    """CIDR; empty means from anywhere."""
    expires_at: datetime | None = None
    session_id: str = ""
    """Of an access token; empty for keys."""
    client_id: str = ""
    """The OAuth2 client behind an access token; empty for Headrace's own logins and for keys."""
    key_version: int = 0
    """Of an API key; 0 for access tokens."""
    prices: PriceTable | None = None
    """What the budgets are spent by; None without budgets, and where nobody asks."""

    @property
    def revocation_ids(self) -> tuple[str, ...]:
        """Names under which the end of this principal may be announced; see `Revocation`."""
        member = self.member
        ids = [
            self.credential_id,
            membership_revocation(member.user_id, member.version),
            organization_revocation(member.organization_version),
        ]
        if self.credential_kind is CredentialKind.ACCESS_TOKEN:
            ids.append(user_revocation(member.user_id, member.token_version))
        if self.key_version:
            ids.append(api_key_revocation(self.credential_id, self.key_version))
        if self.session_id:
            ids.append(session_revocation(self.session_id))
        if self.client_id:
            ids.append(client_revocation(self.client_id))
        return tuple(ids)
