"""Builds the auth service from its settings and runs it."""

from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from headrace_auth.adapters.audit_events import EntryEncoder, OutboxDelivery
from headrace_auth.adapters.breached_passwords import (
    BreachedPasswordFile,
    BreachedPasswordLists,
    common_passwords,
)
from headrace_auth.adapters.mail.absent import AbsentMailer
from headrace_auth.adapters.mail.folder import FolderMailer
from headrace_auth.adapters.mail.message import sender_address
from headrace_auth.adapters.mail.queue import MailQueue
from headrace_auth.adapters.mail.smtp import SmtpMailer
from headrace_auth.adapters.oauth_store import StoredOAuth
from headrace_auth.adapters.postgres.store import MIGRATIONS, PostgresStore
from headrace_auth.adapters.postgres.tables import SCHEMA
from headrace_auth.adapters.redis import RedisRevocationAnnouncer
from headrace_auth.adapters.redis_nonces import RedisNonces
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    ADDRESS_POLICY,
    ASKING_POLICY,
    MAILBOX_POLICY,
)
from headrace_auth.federation_parts import federated, no_federation, start_federation
from headrace_auth.metrics import AuthMetrics
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.ports import (
    BreachedPasswords,
    Mailer,
    Nonces,
    RevocationAnnouncer,
    Store,
)
from headrace_auth.servicers.accounts import Accounts, AccountServicer
from headrace_auth.servicers.api_keys import ApiKeyServicer
from headrace_auth.servicers.auth import AuthServicer
from headrace_auth.servicers.callers import Callers
from headrace_auth.servicers.directory import DirectoryServicer
from headrace_auth.servicers.federation import FederationServicer
from headrace_auth.servicers.limits import LimitServicer
from headrace_auth.servicers.oauth import OAuthServicer
from headrace_auth.servicers.oauth_clients import OAuthClientServicer
from headrace_auth.servicers.platform import PlatformServicer
from headrace_auth.servicers.sessions import SessionServicer
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.asking import AskingThrottle
from headrace_auth.use_cases.caps import BUDGET_RIGHTS, LIMIT_RIGHTS, Caps
from headrace_auth.use_cases.change_keys import KeyChanger
from headrace_auth.use_cases.client_authorizations import ClientAuthorizations
from headrace_auth.use_cases.count_uses import UseCounter
from headrace_auth.use_cases.email_verification import EmailVerification
from headrace_auth.use_cases.even_time import STEP_SECONDS
from headrace_auth.use_cases.federated_logins import Federation
from headrace_auth.use_cases.housekeeping import Housekeeping
from headrace_auth.use_cases.inviting import Inviter
from headrace_auth.use_cases.letters import Letters
from headrace_auth.use_cases.login import Login
from headrace_auth.use_cases.manage_accounts import ManagedAccounts
from headrace_auth.use_cases.manage_clients import ClientManager
from headrace_auth.use_cases.manage_invitations import Invitations
from headrace_auth.use_cases.manage_keys import KeyManager
from headrace_auth.use_cases.members import Members
from headrace_auth.use_cases.new_passwords import NewPasswords
from headrace_auth.use_cases.open_sessions import SessionOpener
from headrace_auth.use_cases.organizations import Organizations
from headrace_auth.use_cases.own_invitations import OwnInvitations
from headrace_auth.use_cases.own_second_factor import OwnSecondFactor
from headrace_auth.use_cases.own_sessions import OwnSessions
from headrace_auth.use_cases.password_change import PasswordChange, PasswordSetter
from headrace_auth.use_cases.password_reset import PasswordReset
from headrace_auth.use_cases.prices import Prices
from headrace_auth.use_cases.reauthentication import Reauthentication
from headrace_auth.use_cases.registration import Registration
from headrace_auth.use_cases.resolve import CredentialResolver
from headrace_auth.use_cases.resolve_signed import SignedRequestResolver
from headrace_auth.use_cases.rotate_signing_keys import SigningKeyRotation
from headrace_auth.use_cases.second_factors import SecondFactors
from headrace_auth.use_cases.signing_credentials import SigningCredentials
from headrace_auth.use_cases.signing_key_administration import SigningKeyAdministration
from headrace_auth.use_cases.start import Bootstrap, ensure_first_owner
from headrace_auth.use_cases.teams import Teams
from headrace_auth.use_cases.throttle import LoginThrottle
from headrace_common import grpc_server
from headrace_common.clock import Clock, SystemClock
from headrace_common.grpc_client import create_channel
from headrace_common.logs import get_logger
from headrace_common.metrics import create_registry, serve_metrics
from headrace_common.postgres import open_database, watch_database
from headrace_common.runtime import Runtime, run_service


@dataclass(frozen=True, slots=True)
class AuthService:
    """What answers calls, and what has to run beside it."""

    registrations: list[grpc_server.Registration]
    rotation: SigningKeyRotation
    housekeeping: Housekeeping
    oauth_bridge: Bridge


@dataclass(frozen=True, slots=True)
class _Identity:
    """What proves who somebody is, shared by all that needs it."""

    acts: Acts
    passwords: Passwords
    sealer: Sealer
    opener: SessionOpener
    throttle: LoginThrottle
    second_factors: SecondFactors
    login: Login
    letters: Letters


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
    mailer = mailer or MailQueue(AbsentMailer(), retry_seconds=())
    encode = EntryEncoder(f"auth/{settings.instance_name}")
    acts = Acts(store, announcer, clock, encode)
    if settings.bootstrap_email and settings.bootstrap_password:
        await ensure_first_owner(
            acts,
            passwords,
            email=settings.bootstrap_email,
            password=settings.bootstrap_password.get_secret_value(),
        )
    sealer = Sealer(settings.key_encryption_bytes())
    tokens = AccessTokens(settings.token_audience())
    rotation = SigningKeyRotation(
        store.signing_keys, sealer, tokens, clock, settings.rotation_policy()
    )
    await rotation.refresh()
    metrics = AuthMetrics(registry)
    resolver = CredentialResolver(store, tokens, clock)
    callers = Callers(resolver, metrics)
    opener = SessionOpener(store.principals, tokens, clock, settings.session_policy())
    throttle = LoginThrottle(acts, ACCOUNT_POLICY, ADDRESS_POLICY)
    letters = Letters(mailer, settings.links())
    second_factors = SecondFactors(sealer, clock, letters)
    login = Login(acts, passwords, throttle, second_factors, opener)
    identity = _Identity(acts, passwords, sealer, opener, throttle, second_factors, login, letters)
    sessions = OwnSessions(acts, opener, second_factors)
    accounts = _accounts(settings, identity)
    oauth = StoredOAuth(acts, store.principals, opener, tokens, clock)
    bridge = _oauth_bridge(settings)
    by_providers = federated(
        settings,
        federation or no_federation(clock),
        acts=acts,
        letters=letters,
        second_factors=second_factors,
        throttle=throttle,
        opener=opener,
        clock=clock,
    )
    servicers = (
        AuthServicer(
            resolver=resolver,
            signed_resolver=SignedRequestResolver(store, sealer, nonces, clock),
            use_counter=UseCounter(store.key_uses, clock),
            announcements=store.announcements,
            tokens=tokens,
            metrics=metrics,
            clock=clock,
        ),
        SessionServicer(
            callers=callers,
            login=login,
            sessions=sessions,
            bootstrap=_bootstrap(settings, identity),
            metrics=metrics,
        ),
        AccountServicer(callers=callers, accounts=accounts),
        FederationServicer(callers=callers, federated=by_providers, metrics=metrics),
        ApiKeyServicer(
            callers=callers,
            key_manager=KeyManager(acts),
            key_changer=KeyChanger(acts),
            signing_credentials=SigningCredentials(acts, sealer),
            clock=clock,
        ),
        OAuthClientServicer(callers=callers, clients=ClientManager(acts)),
        PlatformServicer(
            callers=callers,
            signing_keys=SigningKeyAdministration(acts, store.signing_keys, rotation),
            clock=clock,
        ),
        _oauth_servicer(settings, oauth, bridge, callers, login, resolver, metrics),
        _directory(settings, callers, acts, letters),
        LimitServicer(
            callers=callers,
            limits=Caps(acts, LIMIT_RIGHTS),
            budgets=Caps(acts, BUDGET_RIGHTS),
            prices=Prices(acts),
        ),
    )
    housekeeping = Housekeeping(store, access_token_seconds=settings.access_token_seconds)
    registrations = [servicer.registration() for servicer in servicers]
    return AuthService(registrations, rotation, housekeeping, bridge)


def _oauth_bridge(settings: AuthSettings) -> Bridge:
    return Bridge(
        threads=settings.oauth_threads,
        maximum_pending=settings.maximum_pending_oauth_requests,
        port_seconds=settings.oauth_port_seconds(),
    )


def _oauth_servicer(
    settings: AuthSettings,
    oauth: StoredOAuth,
    bridge: Bridge,
    callers: Callers,
    login: Login,
    resolver: CredentialResolver,
    metrics: AuthMetrics,
) -> OAuthServicer:
    def server_for(caller: Caller) -> OAuthServer:
        return OAuthServer(oauth.ports(caller), bridge, oauth.clock, issuer=settings.issuer)

    return OAuthServicer(
        callers=callers,
        authorizations=ClientAuthorizations(oauth.acts, login, server_for),
        server_for=server_for,
        resolver=resolver,
        metrics=metrics,
        issuer=settings.issuer,
    )


def _accounts(settings: AuthSettings, identity: _Identity) -> Accounts:
    """What people do with their own accounts."""
    acts, throttle, letters = identity.acts, identity.throttle, identity.letters
    asking = AskingThrottle(acts, MAILBOX_POLICY, ASKING_POLICY)
    setter = PasswordSetter(letters)
    new_passwords = _new_passwords(settings, identity)
    proof = Reauthentication(acts, identity.login, identity.second_factors, throttle)
    return Accounts(
        registration=Registration(
            acts,
            new_passwords,
            asking,
            letters,
            mode=settings.registration,
            step_seconds=STEP_SECONDS,
        ),
        verification=EmailVerification(acts, asking, letters, step_seconds=STEP_SECONDS),
        invitations=OwnInvitations(acts),
        password_reset=PasswordReset(
            acts, new_passwords, asking, throttle, setter, letters, step_seconds=STEP_SECONDS
        ),
        password_change=PasswordChange(proof, new_passwords, setter, identity.opener),
        second_factor=OwnSecondFactor(
            acts, proof, identity.second_factors, identity.sealer, letters
        ),
    )


def _directory(
    settings: AuthSettings, callers: Callers, acts: Acts, letters: Letters
) -> DirectoryServicer:
    """What administrators do with organisations and those in them."""
    inviter = Inviter(letters, lifetime_seconds=settings.invitation_seconds)
    return DirectoryServicer(
        callers=callers,
        organizations=Organizations(acts, inviter),
        teams=Teams(acts),
        members=Members(acts),
        accounts=ManagedAccounts(acts),
        invitations=Invitations(acts, inviter),
    )


def _bootstrap(settings: AuthSettings, identity: _Identity) -> Bootstrap:
    token = settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else ""
    return Bootstrap(identity.acts, _new_passwords(settings, identity), token=token)


def _new_passwords(settings: AuthSettings, identity: _Identity) -> NewPasswords:
    return NewPasswords(
        identity.passwords,
        _breached_passwords(settings),
        minimum_length=settings.minimum_password_length,
    )


def _breached_passwords(settings: AuthSettings) -> BreachedPasswords:
    """Raises ValueError if the file is not such a list."""
    file = settings.breached_passwords_file
    if file is None:
        return common_passwords()
    return BreachedPasswordLists(common_passwords(), BreachedPasswordFile(file))


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
