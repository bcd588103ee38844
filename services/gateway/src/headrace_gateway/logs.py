"""The one log line of a request."""

from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange, Outcome


def log_exchange(exchange: Exchange, seconds: float) -> None:
    """Who asked for what and how it ended; neither credential nor text."""
    principal = exchange.principal
    log = get_logger().bind(
        request_id=exchange.request_id,
        operation=exchange.operation,
        outcome=exchange.outcome,
        duration_ms=round(seconds * 1000, 2),
    )
    if principal is not None:
        log = log.bind(
            organization_id=principal.organization_id, credential_id=principal.credential_id
        )
    if exchange.error is not None:
        log = log.bind(reason=exchange.error.reason.value)
    if exchange.outcome is Outcome.FAILED:
        log.warning("request")
    else:
        log.info("request")
