"""A few registered applications, and the worlds that the authorization server's tests use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from headrace_auth.composition.identity import create_rotation
from headrace_auth.composition.oauth import create_stored_oauth
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.oauth_clients import GrantType, OAuthClient
from headrace_auth.domain.opaque_secrets import digest
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.oauth.ports import OAuthPorts
from headrace_auth.ports import Store
from headrace_auth.testing.directory import ACME, ADMIN, CREATED_AT, GLOBEX, OUTSIDER, SERVICE
from headrace_auth.testing.identity import memory_identity
from headrace_auth.use_cases.oauth.store import StoredOAuth
from headrace_common.testing.clock import FakeClock

SECRET = "s3cret-of-an-application_that-does.not~exist"  # noqa: S105
WEB_REDIRECT = "https://app.example/callback?tenant=1"
NATIVE_REDIRECT = "http://127.0.0.1/callback"

WEB = OAuthClient(
    client_id="web",
    organization_id=ACME,
    name="Web application",
    secret_sha256=digest(SECRET),
    redirect_uris=(WEB_REDIRECT, "https://app.example/other"),
    grant_types=frozenset(GrantType),
    scopes=frozenset({Scope.LLM_INVOKE, Scope.MODELS_READ, Scope.KEYS_READ}),
    service_user_id=SERVICE.user_id,
    created_by=ADMIN.user_id,
    created_at=CREATED_AT,
)
"""A confidential client of ACME that may do everything."""
NATIVE = replace(
    WEB,
    client_id="native",
    name="Native application",
    secret_sha256=None,
    redirect_uris=(NATIVE_REDIRECT, "com.example.app:/callback"),
    grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN}),
    service_user_id=None,
)
"""A public client of ACME."""
RIVAL = replace(
    WEB,
    client_id="rival",
    name="Rival",
    organization_id=GLOBEX,
    redirect_uris=("https://rival.example/callback",),
    grant_types=frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN}),
    service_user_id=None,
    created_by=OUTSIDER.user_id,
)
"""A confidential client of GLOBEX, with the same secret as WEB."""


@dataclass(frozen=True, slots=True)
class OAuthWorld:
    """The ports over a seeded store, and what a test changes behind their back."""

    ports: OAuthPorts
    store: Store
    clock: FakeClock
    register: Callable[[OAuthClient], Awaitable[None]]
    """Adds a client, or changes it."""

    async def set_role(self, user_id: str, organization_id: str, role: Role | None) -> None:
        """None ends the membership."""
        async with self.store.begin() as transaction:
            memberships = transaction.of(Membership)
            membership = await memberships.get(user_id, organization_id)
            assert membership is not None
            if role is None:
                await memberships.remove(user_id, organization_id)
            else:
                await memberships.put(replace(membership, role=role))

    async def end_logins(self, user_id: str) -> None:
        """As a new password does: the token version goes up."""
        async with self.store.begin() as transaction:
            user = await transaction.of(User).get(user_id)
            assert user is not None
            await transaction.of(User).put(replace(user, token_version=user.token_version + 1))


async def stored_oauth(store: Store, clock: FakeClock) -> StoredOAuth:
    """What makes ports over a store."""
    identity = memory_identity(store, clock)
    await create_rotation(identity).refresh()
    return create_stored_oauth(identity)


async def stored_world(store: Store, clock: FakeClock) -> OAuthWorld:
    """A world whose ports lie over the store, which has been seeded."""

    async def register(client: OAuthClient) -> None:
        async with store.begin() as transaction:
            clients = transaction.of(OAuthClient)
            known = await clients.get(client.client_id)
            await (clients.put(client) if known else clients.add(client))

    oauth = await stored_oauth(store, clock)
    return OAuthWorld(oauth.ports(Caller()), store, clock, register)
