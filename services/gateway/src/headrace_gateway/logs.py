"""The one log line of a request."""

from typing import Any

from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange, Outcome


def log_exchange(exchange: Exchange, seconds: float) -> None:
    """Who asked for what and how it ended; neither credential nor text."""
    fields: dict[str, Any] = {
        "request_id": exchange.request_id,
        "operation": exchange.operation,
        "outcome": exchange.outcome,
        "duration_ms": round(seconds * 1000, 2),
    }
    if exchange.principal is not None:
        fields["organization_id"] = exchange.principal.organization_id
        fields["credential_id"] = exchange.principal.credential_id
    if exchange.cohort:
        fields["cohort"] = exchange.cohort
    if exchange.attempts > 1:
        fields |= {"model": exchange.model, "attempt": exchange.attempts}
        fields["target"] = exchange.target
    if exchange.error is not None:
        fields["reason"] = exchange.error.reason.value
    log = get_logger()
    tell = log.warning if exchange.outcome is Outcome.FAILED else log.info
    tell("request", **fields)
