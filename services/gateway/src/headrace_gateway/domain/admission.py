"""What a request asks of limits and budgets, what it is answered, and what it used in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from headrace_gateway.domain.budgets import Period
from headrace_gateway.domain.completion import CompletionRequest
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.principal import Budget, Limit, LimitKind, Principal, Tier

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English, used only to reserve; settling puts the true number in its place."""

TOKENS_PER_MESSAGE = 4
"""What a chat template puts around each text, so that many empty messages are not free."""

DEFAULT_ANSWER_TOKENS = 256
"""Reserved for an answer whose length the request leaves open."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One limit and how much of it this request takes."""

    limit: Limit
    cost: int


@dataclass(frozen=True, slots=True)
class BudgetCharge:
    """One budget and the most that this request is expected to spend of it."""

    budget: Budget
    period: Period
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Demand:
    """All that one request asks for; it gets everything or nothing."""

    request_id: str
    organization_id: str
    charges: tuple[Charge, ...]
    """Rates first, then those of requests in flight."""
    budget_charges: tuple[BudgetCharge, ...] = ()

    @property
    def rates(self) -> tuple[Charge, ...]:
        if not self._has_places:
            return self.charges
        return tuple(charge for charge in self.charges if charge.limit.kind in RATES)

    @property
    def places(self) -> tuple[Charge, ...]:
        """What is taken of limits on requests in flight."""
        if not self._has_places:
            return ()
        return tuple(charge for charge in self.charges if charge.limit.kind not in RATES)

    @property
    def holds(self) -> bool:
        """Whether something stays taken until the request is settled, or its lease ends."""
        return self._has_places or bool(self.budget_charges)

    @property
    def _has_places(self) -> bool:
        return bool(self.charges) and self.charges[-1].limit.kind not in RATES


@dataclass(frozen=True, slots=True)
class LimitState:
    """What is left of one limit after a decision; times in seconds."""

    limit: Limit
    remaining: int
    reset_seconds: float
    """Until the limit is whole again; 0 for requests in flight, of which nobody knows."""
    retry_seconds: float
    """Until this request's cost would fit; 0 when it did."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What is left of one budget after a decision."""

    charge: BudgetCharge
    remaining_micros: int
    """Neither spent nor reserved."""
    unspent_micros: int
    """Of it, others that are under way may give some back."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision on one request."""

    revoked: bool
    states: tuple[LimitState, ...] = ()
    budget_states: tuple[BudgetState, ...] = ()
    refused_by: LimitState | BudgetState | None = None
    decided_at: float = 0.0
    """Seconds by the limiter's own clock."""
    in_other_period: bool = False
    """Whether nothing was decided, for by that clock it is another period of a budget."""
    local: bool = False
    """Whether this gateway decided alone, with its share of the limits."""

    def tightest(self, kind: LimitKind) -> LimitState | None:
        """The state to tell the caller about: the refusing one, else the one with least left."""
        refused_by = self.refused_by
        if isinstance(refused_by, LimitState) and refused_by.limit.kind is kind:
            return refused_by
        candidates = [state for state in self.states if state.limit.kind is kind]
        return min(candidates, key=lambda state: state.remaining, default=None)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a request used, to be put in the place of what it had reserved."""

    demand: Demand
    admission: Admission | None
    """None if nobody heard the answer: it may have been admitted or not."""
    tokens: int
    cost_micros: int
    done: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)
    """Called once it is settled, which may be later than `Limiter.settle` returns."""

    @property
    def corrections(self) -> tuple[Charge, ...]:
        """Token rates, with what of each is given back; a negative cost takes more."""
        if self.admission is None:
            return ()
        return tuple(
            replace(charge, cost=charge.cost - self.tokens)
            for charge in self.demand.charges
            if charge.limit.kind is LimitKind.TOKENS_PER_MINUTE and charge.cost != self.tokens
        )

    @property
    def changes_nothing(self) -> bool:
        return not self.demand.holds and not self.corrections


@dataclass(frozen=True, slots=True)
class Holding:
    """What a running request holds, and what it has spent so far."""

    demand: Demand
    used_micros: int
    reserved_micros: int = 0
    """Of every budget: reserved again, should its lease have ended."""
    local: bool = False
    """As in its admission."""


@dataclass(frozen=True, slots=True)
class Tightening:
    """How limits shrink while a model is saturated: of free tiers first, of premium never."""

    free_above: float
    """Saturation, of which 1 is all that the model's servers can do."""
    standard_above: float
    factor: float

    def apply(
        self, wanted: tuple[Charge, ...], tier: Tier, saturation: float
    ) -> tuple[Charge, ...]:
        """The same charges, of limits that are as large as they may be now."""
        above = {Tier.FREE: self.free_above, Tier.STANDARD: self.standard_above}.get(tier)
        if above is None or saturation <= above:
            return wanted
        return tuple(self._tighten(charge) for charge in wanted)

    def _tighten(self, charge: Charge) -> Charge:
        # What fits into the whole limit fits into this one, too, or it would be refused for ever.
        amount = max(1, charge.cost, int(charge.limit.amount * self.factor))
        return replace(charge, limit=replace(charge.limit, amount=amount))


RATES = (LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE)
"""The kinds that regain what was taken as time passes."""


def charges(
    principal: Principal, request: ModelRequest | None, default_requests_per_minute: int
) -> tuple[Charge, ...]:
    """What a request takes from each limit that applies to it; tokens are an estimate."""
    limits = _with_default(principal, default_requests_per_minute)
    costs = {LimitKind.REQUESTS_PER_MINUTE: 1}
    if request is not None:
        costs[LimitKind.TOKENS_PER_MINUTE] = estimate_tokens(request)
        costs[LimitKind.CONCURRENT_REQUESTS] = 1
    model = request.model if request else None
    taken = [
        Charge(limit, costs[limit.kind])
        for limit in limits
        if limit.kind in costs and limit.model in {None, model}
    ]
    return tuple(sorted(taken, key=lambda charge: charge.limit.kind not in RATES))


def _with_default(principal: Principal, amount: int) -> Sequence[Limit]:
    """The limits, and the default of users unless it is replaced; one limit for each count."""
    limits = principal.limits
    if any(_replaces_the_default(limit) for limit in limits):
        return limits
    default = Limit(LimitKind.REQUESTS_PER_MINUTE, f"user:{principal.user_id}", amount)
    own = next((limit for limit in limits if _count_the_same(limit, default)), None)
    if own is None:
        return (*limits, default)
    return limits if own.amount <= amount else [default if each is own else each for each in limits]


def _count_the_same(one: Limit, other: Limit) -> bool:
    return (one.kind, one.subject, one.model) == (other.kind, other.subject, other.model)


def _replaces_the_default(limit: Limit) -> bool:
    """Whether those who run the platform have set a request rate on all of the organisation.

    No other limit does: who owns an organisation sets those of its teams, its people (itself among
    them) and their keys, and could lift the default with them.
    """
    wide = limit.kind is LimitKind.REQUESTS_PER_MINUTE and limit.model is None
    return wide and limit.subject.startswith("organization:")


def estimate_tokens(request: ModelRequest) -> int:
    """Tokens to reserve for prompt and answer together; embeddings have no answer of tokens."""
    texts = request.texts()
    prompt = -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE * len(texts)
    return prompt + answer_tokens(request)


def answer_tokens(request: ModelRequest) -> int:
    """The most that all choices may have together, or a guess if the request leaves it open."""
    if not isinstance(request, CompletionRequest):
        return 0
    return (request.sampling.max_tokens or DEFAULT_ANSWER_TOKENS) * request.sampling.choices
