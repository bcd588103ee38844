"""Logins through identity providers."""

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.factory import create_identity_provider
from headrace_auth.adapters.unfinished_logins import MemoryUnfinishedLogins, RedisUnfinishedLogins
from headrace_auth.composition.identity import Identity
from headrace_auth.domain.pending_login import PendingLogin
from headrace_auth.domain.proven_login import ProvenLogin
from headrace_auth.servicers.federation import Federated, FederationServicer
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.federation.federated_accounts import FederatedAccounts
from headrace_auth.use_cases.federation.federated_logins import FederatedLogins, Federation
from headrace_auth.use_cases.federation.login_codes import LoginCodeExchange
from headrace_auth.use_cases.federation.own_identities import OwnIdentities
from headrace_common.clock import Clock
from headrace_common.redis import create_redis
from headrace_common.runtime import Runtime


def no_federation(clock: Clock) -> Federation:
    """No provider, and so nothing to keep."""
    return Federation({}, MemoryUnfinishedLogins(clock), MemoryUnfinishedLogins(clock), "", ())


def start_federation(settings: AuthSettings, runtime: Runtime, clock: Clock) -> Federation:
    """The configured providers, and Redis for what is kept of logins under way."""
    channel = BackChannel(
        timeout_seconds=settings.identity_provider_timeout_seconds,
        maximum_connections=settings.identity_provider_maximum_connections,
    )
    runtime.on_stop("identity providers", channel.close)
    seconds = settings.redis_timeout_seconds
    redis = create_redis(
        settings.redis_url.get_secret_value(),
        timeout_seconds=seconds,
        maximum_connections=settings.redis_maximum_connections,
    )
    runtime.on_stop("redis of logins", redis.aclose)
    providers = {
        config.name: create_identity_provider(config, channel, clock)
        for config in settings.provider_configs()
    }
    states = RedisUnfinishedLogins(redis, "login-state", PendingLogin, timeout_seconds=seconds)
    codes = RedisUnfinishedLogins(redis, "login-code", ProvenLogin, timeout_seconds=seconds)
    return Federation(providers, states, codes, settings.issuer, settings.federation_redirect_uris)


def federation_servicer(identity: Identity, federation: Federation) -> FederationServicer:
    """Logging in through providers, and linking them to accounts."""
    return FederationServicer(
        callers=identity.callers,
        federated=create_federated(identity, federation),
        metrics=identity.metrics,
    )


def create_federated(identity: Identity, federation: Federation) -> Federated:
    """The use cases of logins through providers."""
    settings, acts, outgoing_mail = identity.settings, identity.acts, identity.outgoing_mail
    accounts = FederatedAccounts(outgoing_mail, settings.registration)
    identities = OwnIdentities(
        acts, accounts, outgoing_mail, identity.reauthentication, federation.providers.keys()
    )
    logins = FederatedLogins(
        acts,
        identity.throttles.browsers,
        federation,
        accounts,
        identities,
        identity.reauthentication,
        identity.clock,
    )
    exchange = LoginCodeExchange(
        acts,
        federation.codes,
        accounts,
        identities,
        identity.second_factors,
        identity.throttles.logins,
        identity.opener,
        identity.clock,
    )
    return Federated(logins, exchange, identities)
