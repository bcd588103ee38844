"""Which rates a request counts against, and what admission answered."""

from dataclasses import dataclass

from headrace_gateway.domain.completion import CompletionRequest
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.principal import Limit, LimitKind, Principal

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
class RateState:
    """What is left of one limit after a decision; times in seconds."""

    limit: Limit
    remaining: int
    reset_seconds: float
    """Until the limit is whole again."""
    retry_seconds: float
    """Until this request's cost would fit; 0 when it did."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision on one request."""

    revoked: bool
    states: tuple[RateState, ...]
    refused_by: RateState | None = None
    decided_at: float = 0.0
    """Seconds by the limiter's own clock."""

    def tightest(self, kind: LimitKind) -> RateState | None:
        """The state to tell the caller about: the refusing one, else the one with least left."""
        if self.refused_by and self.refused_by.limit.kind is kind:
            return self.refused_by
        candidates = [state for state in self.states if state.limit.kind is kind]
        return min(candidates, key=lambda state: state.remaining, default=None)


RATES = (LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE)
"""The kinds that requests are held to. Nothing counts the others, or budgets, yet."""


def charges(
    principal: Principal, request: ModelRequest | None, default_requests_per_minute: int
) -> tuple[Charge, ...]:
    """What a request takes from each limit that applies to it; tokens are an estimate."""
    limits = principal.limits
    if not any(_replaces_the_default(limit) for limit in limits):
        default = Limit(
            LimitKind.REQUESTS_PER_MINUTE,
            f"user:{principal.user_id}",
            default_requests_per_minute,
        )
        limits = (*limits, default)
    costs = {LimitKind.REQUESTS_PER_MINUTE: 1}
    if request is not None:
        costs[LimitKind.TOKENS_PER_MINUTE] = estimate_tokens(request)
    model = request.model if request else None
    return tuple(
        Charge(limit, costs[limit.kind])
        for limit in limits
        if limit.kind in costs and limit.model in {None, model}
    )


def _replaces_the_default(limit: Limit) -> bool:
    """Whether those who run the platform have set a request rate on all of the organisation.

    No other limit does: who owns an organisation sets those of its teams, its people (itself among
    them) and their keys, and could lift the default with them.
    """
    wide = limit.kind is LimitKind.REQUESTS_PER_MINUTE and limit.model is None
    return wide and limit.subject.startswith("organization:")


def estimate_tokens(request: ModelRequest) -> int:
    """Tokens to reserve for prompt and answer together; embeddings have no answer of tokens."""
    texts = list(request.texts())
    prompt = -(-sum(map(len, texts)) // CHARACTERS_PER_TOKEN) + TOKENS_PER_MESSAGE * len(texts)
    if not isinstance(request, CompletionRequest):
        return prompt
    answer = request.sampling.max_tokens or DEFAULT_ANSWER_TOKENS
    return prompt + answer * request.sampling.choices
