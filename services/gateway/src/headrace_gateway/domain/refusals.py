"""What admission tells those whom it refuses: whose limit it was, and when to try again."""

from datetime import UTC, datetime

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.admission import BudgetState, Charge, LimitState
from headrace_gateway.domain.principal import LimitKind

REASONS = {
    LimitKind.REQUESTS_PER_MINUTE: Reason.REQUEST_RATE_LIMITED,
    LimitKind.TOKENS_PER_MINUTE: Reason.TOKEN_RATE_LIMITED,
    LimitKind.CONCURRENT_REQUESTS: Reason.CONCURRENCY_LIMITED,
}
SOON_SECONDS = 1.0
"""When others may have ended, of whom nobody knows when they will."""
UPGRADE_SECONDS = 10.0
"""Soon enough to meet another gateway of a rolling upgrade."""


def refusal(state: LimitState | BudgetState, now: datetime) -> HeadraceError:
    """The error for what has too little left."""
    if isinstance(state, BudgetState):
        return _budget_exhausted(state, now)
    limit = state.limit
    owner = _owner(limit.subject)
    if limit.kind is LimitKind.CONCURRENT_REQUESTS:
        said = f"This {owner} has {limit.amount} requests in flight, as many as it may."
        return HeadraceError(REASONS[limit.kind], said, retry_after_seconds=SOON_SECONDS)
    return HeadraceError(
        REASONS[limit.kind],
        f"Rate limit of this {owner} reached ({limit.kind.value} per minute: "
        f"{limit.amount}). Try again in {state.retry_seconds:.1f} seconds.",
        retry_after_seconds=state.retry_seconds,
    )


def never_fits(charge: Charge) -> HeadraceError:
    """No Retry-After: trying the same again would fail for ever."""
    limit = charge.limit
    return HeadraceError(
        REASONS[limit.kind],
        f"This request needs up to {charge.cost} {limit.kind.value}, more than the "
        f"{limit.amount} per minute of this {_owner(limit.subject)}. "
        "Ask for fewer with max_tokens, or send less text.",
    )


def not_understood() -> HeadraceError:
    """For a limit or budget that only a newer gateway can hold."""
    return HeadraceError(
        Reason.NOT_SERVING,
        "This server is too old to hold a limit or budget that applies to you.",
        retry_after_seconds=UPGRADE_SECONDS,
    )


def _budget_exhausted(state: BudgetState, now: datetime) -> HeadraceError:
    charge = state.charge
    budget, end = charge.budget, charge.period.end
    over = max(SOON_SECONDS, end - now.timestamp())
    needed, left, all_of_it = (
        f"{micros // 1_000_000}.{micros % 1_000_000:06d} {budget.currency}"
        for micros in (charge.cost_micros, state.remaining_micros, budget.amount_micros)
    )
    # What others have reserved comes back if they use less.
    in_use = charge.cost_micros <= state.unspent_micros
    return HeadraceError(
        Reason.BUDGET_EXHAUSTED,
        f"This request may cost up to {needed}, and {left} is left of this "
        f"{_owner(budget.subject)}'s budget of {all_of_it} per {budget.period}, which begins anew "
        f"at {datetime.fromtimestamp(end, UTC):%Y-%m-%dT%H:%MZ}. "
        "With a smaller max_tokens it may cost less.",
        retry_after_seconds=SOON_SECONDS if in_use else over,
    )


def _owner(subject: str) -> str:
    """Whose limit it is, in words: `API key`, `organization`."""
    return subject.partition(":")[0].replace("api_key", "API key")
