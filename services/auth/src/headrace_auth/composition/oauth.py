"""The authorization server for third-party applications."""

from headrace_auth.composition.identity import Identity
from headrace_auth.domain.callers import Caller
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.servicers.oauth import OAuthServicer
from headrace_auth.servicers.oauth_clients import OAuthClientServicer
from headrace_auth.settings import AuthSettings
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.oauth.client_authorizations import ClientAuthorizations
from headrace_auth.use_cases.oauth.manage_clients import ClientManager
from headrace_auth.use_cases.oauth.store import StoredOAuth


def create_bridge(settings: AuthSettings) -> Bridge:
    """The threads that Authlib's synchronous server runs in; close it when done."""
    return Bridge(
        threads=settings.oauth_threads,
        maximum_pending=settings.maximum_pending_oauth_requests,
        port_seconds=settings.oauth_port_seconds(),
    )


def create_stored_oauth(identity: Identity) -> StoredOAuth:
    """What makes the authorization server's ports, for each caller."""
    principals = identity.store.principals
    return StoredOAuth(identity.acts, principals, identity.opener, identity.tokens, identity.clock)


def oauth_servicer(identity: Identity, bridge: Bridge) -> OAuthServicer:
    """What applications and the people whom they ask do."""
    issuer, clock = identity.settings.issuer, identity.clock
    stored = create_stored_oauth(identity)

    def server_for(caller: Caller) -> OAuthServer:
        return OAuthServer(stored.ports(caller), bridge, clock, issuer=issuer)

    return OAuthServicer(
        callers=identity.callers,
        authorizations=ClientAuthorizations(
            identity.acts, identity.login, identity.throttles.browsers, server_for
        ),
        server_for=server_for,
        resolver=identity.resolver,
        metrics=identity.metrics,
        issuer=issuer,
    )


def oauth_client_servicer(identity: Identity) -> OAuthClientServicer:
    """The administration of applications."""
    clients = ClientManager(identity.acts, CredentialNotices(identity.outgoing_mail))
    return OAuthClientServicer(callers=identity.callers, clients=clients)
