"""What proves who somebody is, shared by all areas."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from headrace_auth.adapters.audit_events import EntryEncoder
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    ADDRESS_POLICY,
    BROWSER_POLICY,
    MAILBOX_POLICY,
    REQUEST_POLICY,
)
from headrace_auth.metrics import AuthMetrics
from headrace_auth.ports import Mailer, RevocationAnnouncer, Store
from headrace_auth.servicers.callers import Callers
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.logins.reauthentication import Reauthentication
from headrace_auth.use_cases.logins.second_factors import SecondFactors
from headrace_auth.use_cases.logins.throttle import LoginThrottle
from headrace_auth.use_cases.mailbox_throttle import MailboxThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation
from headrace_common.clock import Clock


@dataclass(frozen=True, slots=True)
class Throttles:
    """What slows strangers down; each counts under names of its own."""

    logins: LoginThrottle
    requests: AddressThrottle
    browsers: AddressThrottle
    mailboxes: MailboxThrottle


@dataclass(frozen=True, slots=True)
class Identity:
    """Built once per process."""

    settings: AuthSettings
    store: Store
    clock: Clock
    metrics: AuthMetrics
    acts: Acts
    passwords: Passwords
    sealer: Sealer
    tokens: AccessTokens
    resolver: CredentialResolver
    callers: Callers
    outgoing_mail: OutgoingMail
    opener: SessionOpener
    throttles: Throttles
    second_factors: SecondFactors
    login: Login
    reauthentication: Reauthentication


def create_identity(
    settings: AuthSettings,
    *,
    store: Store,
    announcer: RevocationAnnouncer,
    passwords: Passwords,
    mailer: Mailer,
    registry: CollectorRegistry,
    clock: Clock,
) -> Identity:
    """Over the given store; its access tokens have no keys until a rotation gives them some."""
    metrics = AuthMetrics(registry)
    acts = Acts(store, announcer, clock, EntryEncoder(f"auth/{settings.instance_name}"))
    sealer = Sealer(settings.key_encryption_bytes())
    tokens = AccessTokens(settings.token_audience())
    resolver = CredentialResolver(store, tokens, clock)
    outgoing_mail = OutgoingMail(mailer, settings.links())
    opener = SessionOpener(store.principals, tokens, clock, settings.session_policy())
    throttles = _create_throttles(acts)
    second_factors = SecondFactors(sealer, clock, outgoing_mail)
    login = Login(acts, passwords, throttles.logins, second_factors, opener)
    return Identity(
        settings=settings,
        store=store,
        clock=clock,
        metrics=metrics,
        acts=acts,
        passwords=passwords,
        sealer=sealer,
        tokens=tokens,
        resolver=resolver,
        callers=Callers(resolver, metrics),
        outgoing_mail=outgoing_mail,
        opener=opener,
        throttles=throttles,
        second_factors=second_factors,
        login=login,
        reauthentication=Reauthentication(acts, login, second_factors),
    )


def _create_throttles(acts: Acts) -> Throttles:
    return Throttles(
        logins=LoginThrottle(acts, ACCOUNT_POLICY, ADDRESS_POLICY),
        requests=AddressThrottle(acts, REQUEST_POLICY),
        browsers=AddressThrottle(acts, BROWSER_POLICY, doing="browser logins of address"),
        mailboxes=MailboxThrottle(MAILBOX_POLICY),
    )


def create_rotation(identity: Identity) -> SigningKeyRotation:
    """What gives the access tokens their keys."""
    return SigningKeyRotation(
        identity.store.signing_keys,
        identity.sealer,
        identity.tokens,
        identity.clock,
        identity.settings.rotation_policy(),
    )
