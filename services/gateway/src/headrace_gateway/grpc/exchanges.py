"""From a gRPC call to the exchange that follows it through the pipeline."""

from collections.abc import Sequence
from typing import Any

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7
from headrace_gateway.domain.credentials import presented_credential
from headrace_gateway.domain.exchange import MAXIMUM_USER_AGENT, Activity, Exchange
from headrace_gateway.domain.routes import COHORT_HEADER
from headrace_gateway.domain.stage_times import StageTimes
from headrace_gateway.domain.trace import ASKED, TRACE_HEADER
from headrace_gateway.grpc.peers import Peers

SERVICE = "headrace.gateway.v1.CompletionService"
SIGNATURE_KEYS = ("signature", "signature-input")


def open_exchange(
    context: Any, activity: Activity, method: str, clock: Clock, peers: Peers
) -> Exchange:
    """Everything that is known of a call before anybody has looked at its message."""
    metadata = _Metadata(context.invocation_metadata() or ())
    authorization, api_key = metadata.all("authorization"), metadata.all("x-api-key")
    exchange = Exchange(
        request_id=uuid7(clock.now()),
        activity=activity,
        operation=f"CompletionService/{method}",
        source_address=peers.source_address(context.peer(), metadata.all("x-forwarded-for")),
        credential=presented_credential(authorization, api_key),
        occurred_at=clock.now(),
        started=clock.monotonic(),
        user_agent=", ".join(metadata.all("user-agent"))[:MAXIMUM_USER_AGENT],
        cohort_asked=", ".join(metadata.all(COHORT_HEADER)),
    )
    if metadata.all(TRACE_HEADER) == [ASKED]:
        exchange.times = StageTimes()
    if any(metadata.all(key) for key in SIGNATURE_KEYS):
        # Raised when somebody asks who it is, so that the refusal is accounted for.
        exchange.signature_fault = HeadraceError(
            Reason.PERMISSION_DENIED,
            "Signed requests are for HTTP only. Over gRPC, send an access token or an API key.",
        )
    return exchange


class _Metadata:
    """What a caller sent beside its message, but for binary entries: we know none."""

    def __init__(self, entries: Sequence[tuple[str, str | bytes]]) -> None:
        self._entries = [(key, value) for key, value in entries if isinstance(value, str)]

    def all(self, key: str) -> list[str]:
        return [value for name, value in self._entries if name == key]
