"""Who a request acts as, and what that one may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address

from headrace_common.errors import HeadraceError, Reason

API_KEY_PREFIX = "hr_"
INVOKE_MODELS = "llm:invoke"
READ_MODELS = "models:read"
TRACE_REQUESTS = "llm:trace"


Network = IPv4Network | IPv6Network


class LimitKind(StrEnum):
    """What a limit counts; a rate, or requests at a time."""

    REQUESTS_PER_MINUTE = "requests"
    TOKENS_PER_MINUTE = "tokens"
    CONCURRENT_REQUESTS = "concurrent_requests"


class BudgetPeriod(StrEnum):
    """When a budget's count starts again."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap on a rate or on requests in flight; `model` restricts it to one public model id."""

    kind: LimitKind
    subject: str
    """Whose count it is, for example `api_key:4fQ0...`."""
    amount: int
    """Per minute for rates, at a time for requests in flight."""
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap on spending per period; `model` restricts it to one public model id."""

    subject: str
    """Whose spending it is, as a limit's."""
    amount_micros: int
    """Millionths of the currency's unit: whole numbers, so that nothing is ever rounded."""
    currency: str
    """ISO 4217."""
    period: BudgetPeriod
    time_zone: str
    """IANA name of the time zone in which periods begin."""
    model: str | None = None


class Tier(StrEnum):
    """How much an organisation is promised; while models are saturated, premium is kept whole."""

    FREE = "free"
    STANDARD = "standard"
    PREMIUM = "premium"


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What a model costs, in millionths of the currency's unit per million tokens."""

    model: str
    input_micros_per_million_tokens: int
    output_micros_per_million_tokens: int


@dataclass(frozen=True, slots=True)
class PriceTable:
    """One version of the prices, of the models that a principal may use."""

    version: int
    currency: str
    """ISO 4217."""
    prices: tuple[ModelPrice, ...]
    _of_models: Mapping[str, ModelPrice] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_of_models", {price.model: price for price in self.prices})

    def price_of(self, model: str) -> ModelPrice | None:
        """What `model` costs; None if nobody has said."""
        return self._of_models.get(model)


@dataclass(frozen=True, slots=True)
class Principal:
    """An identified caller; see `Principal` in auth's proto."""

    credential_id: str
    user_id: str
    organization_id: str
    scopes: frozenset[str]
    allowed_models: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    tier: Tier = Tier.STANDARD
    prices: PriceTable | None = None
    """In force now; None without budgets, and if there are none yet."""
    not_understood: tuple[str, ...] = ()
    """Limits, budgets and tiers that only a newer gateway knows; models are refused then."""
    expires_at: datetime | None = None
    revocation_ids: tuple[str, ...] = ()
    """Names under which its end may be announced."""
    allowed_networks: tuple[Network, ...] = ()
    """Where it may be used from; empty allows all."""

    def require_scope(self, scope: str) -> None:
        """Raise PERMISSION_DENIED unless the credential has `scope`."""
        if scope not in self.scopes:
            raise HeadraceError(
                Reason.PERMISSION_DENIED, f"This credential lacks the scope {scope}."
            )

    def may_use(self, model: str) -> bool:
        """Whether the credential may name `model`; an empty list allows all."""
        return not self.allowed_models or model in self.allowed_models

    def budgets_on(self, model: str) -> tuple[Budget, ...]:
        """The budgets that count what `model` costs."""
        return tuple(budget for budget in self.budgets if budget.model in {None, model})

    def require_network(self, address: str) -> None:
        """Raise PERMISSION_DENIED unless the credential may be used from `address`."""
        if not self.allowed_networks:
            return
        # An IPv4 client of an IPv6 socket is the same client.
        source = ip_address(address) if address else None
        mapped = getattr(source, "ipv4_mapped", None) or source
        if not any(mapped in network for network in self.allowed_networks if mapped):
            raise HeadraceError(
                Reason.PERMISSION_DENIED, "This credential may not be used from your network."
            )
