"""Builds the cache service from its settings and runs it."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_cache.adapters.redis import RedisEntryStore
from headrace_cache.answer_cache import AnswerCache
from headrace_cache.domain.entries import EntryRules
from headrace_cache.metrics import CacheMetrics
from headrace_cache.ports import EntryStore
from headrace_cache.servicer import CacheServicer
from headrace_cache.settings import CacheSettings
from headrace_common.clock import SystemClock
from headrace_common.grpc_server import start_grpc_server
from headrace_common.health import watch_dependency
from headrace_common.lateness import start_lateness
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.runtime import Runtime, run_service


def run(settings: CacheSettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: CacheSettings, runtime: Runtime) -> None:
    """Bring everything up; returns once the service takes requests."""
    registry = create_registry()
    serve_metrics(runtime, registry, settings.metrics_address)
    store = RedisEntryStore(
        settings.redis_url.get_secret_value(),
        timeout_seconds=settings.redis_timeout_seconds,
        lateness=start_lateness(runtime),
    )
    runtime.on_stop("redis", store.close)
    servicer = build(settings, store=store, registry=registry)
    server = await start_grpc_server(
        runtime, settings, [servicer.registration()], registry=registry, clock=SystemClock()
    )
    runtime.start_task("redis watch", watch_dependency(server, "redis", store.ping))


def build(
    settings: CacheSettings, *, store: EntryStore, registry: CollectorRegistry
) -> CacheServicer:
    """The servicer with everything behind it, over the given store."""
    rules = EntryRules(
        default_time_to_live=settings.default_time_to_live_seconds,
        maximum_time_to_live=settings.maximum_time_to_live_seconds,
        maximum_payload_bytes=settings.maximum_payload_bytes,
    )
    return CacheServicer(AnswerCache(store, rules), CacheMetrics(registry))
