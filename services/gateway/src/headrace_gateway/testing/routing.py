"""A router over given targets, for tests that are about something else."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock, SystemClock
from headrace_gateway.domain.circuit import CircuitRules
from headrace_gateway.domain.routes import RouteTable, single_targets
from headrace_gateway.ports import InferenceTarget
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.stages.route import Router
from headrace_gateway.stages.servers import Servers


def fixed_router(
    targets: Mapping[str, InferenceTarget],
    *,
    refresh_seconds: float,
    table: RouteTable | None = None,
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
    rules: CircuitRules | None = None,
) -> Router:
    """Each target is at the address that is its name, and serves the model of that name.

    With a table it is asked for whatever the table says.
    """
    servers = Servers(
        lambda endpoint: targets[endpoint.name],
        rules or CircuitRules(),
        clock or SystemClock(),
        RoutingMetrics(registry or CollectorRegistry()),
    )
    router = Router(servers, refresh_seconds=refresh_seconds, load_seconds=refresh_seconds)
    router.apply(table or single_targets({name: name for name in targets}))
    return router
