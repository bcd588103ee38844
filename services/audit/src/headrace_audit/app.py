"""Builds the audit service from its settings and runs it."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_audit.adapters.postgres import MIGRATIONS, SCHEMA, PostgresEventStore
from headrace_audit.ledger import Ledger
from headrace_audit.metrics import AuditMetrics
from headrace_audit.ports import EventStore
from headrace_audit.servicer import AuditServicer
from headrace_audit.settings import AuditSettings
from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_server import start_grpc_server
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.migrations import open_database
from headrace_common.postgres import watch_database
from headrace_common.runtime import Runtime, run_service


def run(settings: AuditSettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: AuditSettings, runtime: Runtime) -> None:
    """Bring everything up; returns once the schema is current and the server listens."""
    registry, clock = create_registry(), SystemClock()
    serve_metrics(runtime, registry, settings.metrics_address)
    engine = await open_database(runtime, settings, MIGRATIONS, SCHEMA)
    store = PostgresEventStore(engine, timeout_seconds=settings.database_timeout_seconds)
    servicer = build(store=store, registry=registry, clock=clock)
    server = await start_grpc_server(
        runtime, settings, [servicer.registration()], registry=registry, clock=clock
    )
    runtime.start_task("database watch", watch_database(engine, server))


def build(*, store: EventStore, registry: CollectorRegistry, clock: Clock) -> AuditServicer:
    """The servicer with everything behind it, over the given store."""
    return AuditServicer(Ledger(store, clock), AuditMetrics(registry))
