"""Puts routing together for `app.py`: where the route table comes from, and its connections."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_common.clock import Clock
from headrace_common.grpc_client import create_channel
from headrace_common.runtime import Runtime
from headrace_gateway.adapters.fixed_routes import FixedRoutes
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.adapters.kubernetes_services import KubernetesServices
from headrace_gateway.adapters.route_file import RouteFile
from headrace_gateway.domain.circuit import CircuitRules
from headrace_gateway.domain.routes import Endpoint, single_targets
from headrace_gateway.ports import TargetSource
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.settings import GatewaySettings
from headrace_gateway.stages.route import Router
from headrace_gateway.stages.servers import Servers


def start_router(
    settings: GatewaySettings, runtime: Runtime, clock: Clock, registry: CollectorRegistry
) -> Router:
    """A router that follows the route table and its servers until the runtime stops."""
    rules = CircuitRules(
        settings.ejection_failures, settings.ejection_seconds, settings.maximum_ejection_seconds
    )
    servers = Servers(partial(_connect, settings), rules, clock, RoutingMetrics(registry))
    router = Router(
        servers,
        refresh_seconds=settings.models_refresh_seconds,
        load_seconds=settings.load_refresh_seconds,
    )
    runtime.on_stop("channels to model servers", router.close)
    runtime.start_task("routes", router.follow(_source(settings)))
    runtime.start_task("model directory", router.keep_fresh())
    return router


def _source(settings: GatewaySettings) -> TargetSource:
    if settings.kubernetes_namespace is not None:
        return KubernetesServices(settings.kubernetes_namespace)
    if settings.routes_file is not None:
        return RouteFile(settings.routes_file, refresh_seconds=settings.routes_refresh_seconds)
    return FixedRoutes(single_targets(settings.models or {}))


def _connect(settings: GatewaySettings, endpoint: Endpoint) -> GrpcInferenceTarget:
    return GrpcInferenceTarget(
        create_channel(endpoint.address),
        generation_seconds=settings.generation_timeout_seconds,
        stall_seconds=settings.stall_seconds,
        cohort=endpoint.cohort,
    )
