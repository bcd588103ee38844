"""Builds the auth service from its settings and runs it."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from headrace_auth.adapters.audit_events import OutboxDelivery
from headrace_auth.adapters.mail.absent import AbsentMailer
from headrace_auth.adapters.mail.folder import FolderMailer
from headrace_auth.adapters.mail.message import sender_address
from headrace_auth.adapters.mail.queue import MailQueue
from headrace_auth.adapters.mail.smtp import SmtpMailer
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.adapters.postgres.tables import SCHEMA
from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_auth.adapters.redis_nonces import RedisNonces
from headrace_auth.composition.accounts import (
    account_servicer,
    create_new_passwords,
    load_breached_passwords,
    session_servicer,
)
from headrace_auth.composition.administration import (
    api_key_servicer,
    auth_servicer,
    directory_servicer,
    limit_servicer,
    platform_servicer,
)
from headrace_auth.composition.federation import (
    federation_servicer,
    no_federation,
    start_federation,
)
from headrace_auth.composition.identity import Identity, create_identity, create_rotation
from headrace_auth.composition.oauth import (
    create_bridge,
    oauth_client_servicer,
    oauth_servicer,
)
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.ports import Mailer, Nonces, RevocationAnnouncer, Store
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.federation.federated_logins import Federation
from headrace_auth.use_cases.housekeeping import Housekeeping
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_auth.use_cases.start import ensure_first_owner
from headrace_common import grpc_server
from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_client import create_channel
from headrace_common.logs import get_logger
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.migrations import open_database
from headrace_common.postgres import watch_database
from headrace_common.runtime import Runtime, run_service


@dataclass(frozen=True, slots=True)
class AuthService:
    """What answers calls, and what has to run beside it."""

    registrations: list[grpc_server.Registration]
    rotation: SigningKeyRotation
    housekeeping: Housekeeping
    oauth_bridge: Bridge


def run(settings: AuthSettings) -> None:
    """Serve until SIGTERM."""
    run_service(partial(start, settings), drain_seconds=settings.drain_seconds)


async def start(settings: AuthSettings, runtime: Runtime) -> None:
    """Bring everything up; returns once the service takes requests."""
    registry, clock = create_registry(), SystemClock()
    serve_metrics(runtime, registry, settings.metrics_address)
    engine = await open_database(runtime, settings, MIGRATIONS, SCHEMA)
    announcer, nonces = _redis(settings, runtime)
    passwords = Passwords(settings.password_cost())
    runtime.on_stop("passwords", passwords.close)
    audit = create_channel(settings.audit_target)
    runtime.on_stop("channel to audit", audit.close)
    store = PostgresStore(
        engine,
        timeout_seconds=settings.database_timeout_seconds,
        readers=settings.read_pool_size,
    )
    runtime.on_stop("store", store.close)
    delivery = OutboxDelivery(store.announcements, audit)
    runtime.start_task("outbox delivery", delivery.keep_delivering())
    mails = MailQueue(_mailer(settings, clock))
    runtime.on_stop("mail", mails.drain)
    service = await build(
        settings,
        store=store,
        announcer=announcer,
        nonces=nonces,
        passwords=passwords,
        mailer=mails,
        federation=start_federation(settings, runtime, clock),
        registry=registry,
        clock=clock,
    )
    runtime.on_stop("threads of OAuth", service.oauth_bridge.close)
    server = await grpc_server.start_grpc_server(
        runtime, settings, service.registrations, registry=registry, clock=clock
    )
    runtime.start_task("database watch", watch_database(engine, server))
    runtime.start_task("signing keys", service.rotation.keep_rotating())
    runtime.start_task("housekeeping", service.housekeeping.keep_house())


async def build(  # noqa: PLR0913 - everything from outside
    settings: AuthSettings,
    *,
    store: Store,
    announcer: RevocationAnnouncer,
    nonces: Nonces,
    passwords: Passwords,
    registry: CollectorRegistry,
    clock: Clock,
    mailer: Mailer | None = None,
    federation: Federation | None = None,
) -> AuthService:
    """The service over the given store, which gets the owner and key that it lacks.

    `mailer` takes mail without ever raising, as a MailQueue does; without one no mail is sent.
    Without `federation` there are no identity providers.
    """
    identity = create_identity(
        settings,
        store=store,
        announcer=announcer,
        passwords=passwords,
        mailer=mailer or MailQueue(AbsentMailer(), retry_seconds=()),
        registry=registry,
        clock=clock,
    )
    await _ensure_first_owner(identity)
    rotation = create_rotation(identity)
    await rotation.refresh()
    bridge = create_bridge(settings)
    registrations = [
        auth_servicer(identity, nonces).registration(),
        federation_servicer(identity, federation or no_federation(clock)).registration(),
        oauth_servicer(identity, bridge).registration(),
        platform_servicer(identity, rotation).registration(),
        *_own_registrations(identity),
    ]
    housekeeping = Housekeeping(store, access_token_seconds=settings.access_token_seconds)
    return AuthService(registrations, rotation, housekeeping, bridge)


async def _ensure_first_owner(identity: Identity) -> None:
    settings = identity.settings
    if settings.bootstrap_email and settings.bootstrap_password:
        await ensure_first_owner(
            identity.acts,
            identity.passwords,
            email=settings.bootstrap_email,
            password=settings.bootstrap_password.get_secret_value(),
        )


def _own_registrations(identity: Identity) -> list[grpc_server.Registration]:
    """Of the servicers that need nothing but who somebody is."""
    new_passwords = create_new_passwords(identity, load_breached_passwords(identity.settings))
    return [
        session_servicer(identity, new_passwords).registration(),
        account_servicer(identity, new_passwords).registration(),
        api_key_servicer(identity).registration(),
        oauth_client_servicer(identity).registration(),
        directory_servicer(identity).registration(),
        limit_servicer(identity).registration(),
    ]


def _mailer(settings: AuthSettings, clock: Clock) -> Mailer:
    sender, server = sender_address(settings.mail_sender), settings.smtp_server()
    if settings.mail_folder is not None:
        return FolderMailer(settings.mail_folder, sender, clock)
    if server is not None:
        return SmtpMailer(server, sender, clock, timeout_seconds=settings.mail_timeout_seconds)
    get_logger().warning("mail_not_configured")
    return AbsentMailer()


def _redis(
    settings: AuthSettings, runtime: Runtime
) -> tuple[RedisRevocationAnnouncer, RedisNonces]:
    url, seconds = settings.redis_url.get_secret_value(), settings.redis_timeout_seconds
    connections = settings.redis_maximum_connections
    announcer = RedisRevocationAnnouncer(
        url, timeout_seconds=seconds, maximum_connections=connections
    )
    runtime.on_stop("redis for revocations", announcer.close)
    nonces = RedisNonces(url, timeout_seconds=seconds, maximum_connections=connections)
    runtime.on_stop("redis for nonces", nonces.close)
    return announcer, nonces
