"""Builds the auth service from its settings and runs it."""

from functools import partial

from prometheus_client import CollectorRegistry

from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.adapters.postgres.tables import SCHEMA
from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.metrics import AuthMetrics
from headrace_auth.ports import RevocationAnnouncer, Store
from headrace_auth.servicer import AuthServicer
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.manage_keys import KeyManager
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_auth.use_cases.start import ensure_first_owner, ensure_signing_keys
from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_server import start_grpc_server
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.postgres import open_database, watch_database
from headrace_common.runtime import Runtime, run_service


def run(settings: AuthSettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: AuthSettings, runtime: Runtime) -> None:
    """Bring everything up; returns once the service takes requests."""
    registry, clock = create_registry(), SystemClock()
    serve_metrics(runtime, registry, settings.metrics_address)
    engine = await open_database(
        runtime,
        settings.database_url.get_secret_value(),
        MIGRATIONS,
        SCHEMA,
        pool_size=settings.pool_size,
        statement_seconds=settings.database_timeout_seconds,
        wait_seconds=settings.database_wait_seconds,
    )
    announcer = RedisRevocationAnnouncer(
        settings.redis_url.get_secret_value(),
        timeout_seconds=settings.redis_timeout_seconds,
        maximum_connections=settings.redis_maximum_connections,
    )
    runtime.on_stop("redis", announcer.close)
    passwords = Passwords(settings.password_cost())
    runtime.on_stop("passwords", passwords.close)
    servicer = await build(
        settings,
        store=PostgresStore(engine, timeout_seconds=settings.database_timeout_seconds),
        announcer=announcer,
        passwords=passwords,
        registry=registry,
        clock=clock,
    )
    server = await start_grpc_server(
        runtime, settings, [servicer.registration()], registry=registry, clock=clock
    )
    runtime.start_task("database watch", watch_database(engine, server))


async def build(
    settings: AuthSettings,
    *,
    store: Store,
    announcer: RevocationAnnouncer,
    passwords: Passwords,
    registry: CollectorRegistry,
    clock: Clock,
) -> AuthServicer:
    """The servicer with everything behind it; the store gets the owner and key that it lacks."""
    if settings.bootstrap_email and settings.bootstrap_password:
        await ensure_first_owner(
            store,
            passwords,
            clock,
            email=settings.bootstrap_email,
            password=settings.bootstrap_password.get_secret_value(),
        )
    sealer = Sealer(settings.key_encryption_bytes())
    tokens = AccessTokens(
        await ensure_signing_keys(store, sealer, clock), settings.token_audience()
    )
    return AuthServicer(
        resolver=CredentialResolver(store, tokens, clock),
        login=Login(
            store, passwords, tokens, clock, access_token_seconds=settings.access_token_seconds
        ),
        key_manager=KeyManager(store, announcer, clock),
        tokens=tokens,
        metrics=AuthMetrics(registry),
        clock=clock,
    )
