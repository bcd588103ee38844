"""admit: whether this principal may make this request now."""

from collections.abc import Sequence

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_gateway.domain.embedding import ModelRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.domain.rates import Charge, RateState, charges
from headrace_gateway.ports import RateLimiter

REASONS = {
    LimitKind.REQUESTS_PER_MINUTE: Reason.REQUEST_RATE_LIMITED,
    LimitKind.TOKENS_PER_MINUTE: Reason.TOKEN_RATE_LIMITED,
}
UPGRADE_SECONDS = 10.0
"""Soon enough to meet another gateway of a rolling upgrade."""


class Admit:
    """Takes the request's charges from every limit that applies, or refuses."""

    def __init__(self, limiter: RateLimiter, *, default_requests_per_minute: int) -> None:
        self._limiter = limiter
        self._default_requests_per_minute = default_requests_per_minute

    async def run(
        self, exchange: Exchange, principal: Principal, request: ModelRequest | None
    ) -> bool:
        """Fill `exchange.admission`; False if what is known of the principal has ended.

        Raises a rate-limit error, and NOT_SERVING for one whose limits only a newer gateway knows.
        """
        wanted = charges(principal, request, self._default_requests_per_minute)
        _refuse_what_never_fits(wanted)
        admission = await self._limiter.admit(principal, wanted)
        if admission.revoked:
            return False
        exchange.admission = admission
        if admission.refused_by:
            raise _rate_limited(admission.refused_by)
        exchange.charges = wanted
        _refuse_what_is_not_understood(principal)
        return True


def _refuse_what_never_fits(wanted: Sequence[Charge]) -> None:
    """No Retry-After: trying the same again would fail for ever."""
    for charge in wanted:
        limit = charge.limit
        if charge.cost > limit.amount:
            raise HeadraceError(
                REASONS[limit.kind],
                f"This request needs up to {charge.cost} {limit.kind.value}, more than the "
                f"{limit.amount} per minute of this {_owner(limit)}. "
                "Ask for fewer with max_tokens, or send less text.",
            )


def _refuse_what_is_not_understood(principal: Principal) -> None:
    """A limit that cannot be held must not be passed over (docs/adr/0021)."""
    if principal.not_understood:
        what = ", ".join(principal.not_understood)
        get_logger().warning(
            "limit_not_understood", credential_id=principal.credential_id, kind=what
        )
        raise HeadraceError(
            Reason.NOT_SERVING,
            "This server is too old to hold a limit or budget that applies to you.",
            retry_after_seconds=UPGRADE_SECONDS,
        )


def _rate_limited(state: RateState) -> HeadraceError:
    limit = state.limit
    return HeadraceError(
        REASONS[limit.kind],
        f"Rate limit of this {_owner(limit)} reached ({limit.kind.value} per minute: "
        f"{limit.amount}). Try again in {state.retry_seconds:.1f} seconds.",
        retry_after_seconds=state.retry_seconds,
    )


def _owner(limit: Limit) -> str:
    """Whose limit it is, in words: `API key`, `organization`."""
    return limit.subject.partition(":")[0].replace("api_key", "API key")
