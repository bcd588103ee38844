"""From an HTTP request to the exchange that follows it through the pipeline."""

import ipaddress
import math

from fastapi import Request
from starlette.types import Scope

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError
from headrace_gateway.domain.admission import RATES
from headrace_gateway.domain.credentials import presented_credential
from headrace_gateway.domain.exchange import MAXIMUM_USER_AGENT, Activity, Exchange
from headrace_gateway.domain.routes import COHORT_HEADER
from headrace_gateway.domain.stage_times import StageTimes
from headrace_gateway.domain.trace import ASKED, TRACE_HEADER, trace_text
from headrace_gateway.http.signatures import parse_signed_request

CACHE_HEADER = "x-headrace-cache"
MODEL_HEADER = "x-headrace-model"
LIMITS_HEADER = "x-headrace-limits"


def open_exchange(request: Request, activity: Activity, clock: Clock) -> Exchange:
    """Everything that is known before anybody has looked at the body."""
    now = clock.now()
    exchange = Exchange(
        request_id=request.state.request_id,
        activity=activity,
        operation=f"{request.method} {request.scope['route'].path}",
        source_address=source_address(request.scope),
        credential=credential_of(request),
        occurred_at=now,
        started=clock.monotonic(),
        user_agent=request.headers.get("user-agent", "")[:MAXIMUM_USER_AGENT],
        cohort_asked=", ".join(request.headers.getlist(COHORT_HEADER)),
    )
    if request.headers.getlist(TRACE_HEADER) == [ASKED]:
        exchange.times = StageTimes()
    try:
        exchange.signed = parse_signed_request(request.scope, now)
    except HeadraceError as fault:
        # Raised when somebody asks who it is, so that the refusal is accounted for.
        exchange.signature_fault = fault
    return exchange


def credential_of(request: Request) -> str:
    """The bearer credential, or without any `authorization` the `x-api-key`, or nothing."""
    headers = request.headers
    return presented_credential(headers.getlist("authorization"), headers.getlist("x-api-key"))


def answer_headers(exchange: Exchange) -> dict[str, str]:
    """Beside the answer: rate limits (OpenAI's names), cache status, and who answered.

    And once the exchange has ended the trace, if the caller asked for it and may see it.
    """
    headers = {}
    if trace := trace_text(exchange):
        headers[TRACE_HEADER] = trace
    if exchange.cache_status:
        headers[CACHE_HEADER] = exchange.cache_status
    served = exchange.served_model
    if served and served.isascii() and served.isprintable():
        headers[MODEL_HEADER] = served
    if exchange.cohort:
        headers[COHORT_HEADER] = exchange.cohort
    for kind in RATES:
        state = exchange.admission.tightest(kind) if exchange.admission else None
        if state is not None:
            headers[f"x-ratelimit-limit-{kind}"] = str(state.limit.amount)
            headers[f"x-ratelimit-remaining-{kind}"] = str(state.remaining)
            headers[f"x-ratelimit-reset-{kind}"] = go_duration(state.reset_seconds)
    if exchange.admission is not None and exchange.admission.local:
        headers[LIMITS_HEADER] = "local"
    return headers


def go_duration(seconds: float) -> str:
    """As OpenAI writes it: `1s`, `6m0s`, `1.5s`, `20ms`; rounded up to milliseconds."""
    milliseconds = math.ceil(seconds * 1000 - 1e-6)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    told = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{told}" if minutes else told


def source_address(scope: Scope) -> str:
    """The caller's address as a trusted proxy or the socket tells it; nothing if it is none."""
    host, _ = scope.get("client") or ("", 0)
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
