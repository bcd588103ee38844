"""Registering, listing, re-keying and revoking third-party applications."""

from dataclasses import dataclass, field, replace

from headrace_auth.crypto.new_secrets import new_client_id, new_secret
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, User, UserKind
from headrace_auth.domain.fields import is_uuid
from headrace_auth.domain.mails import Done
from headrace_auth.domain.oauth_clients import (
    ClientRequest,
    OAuthClient,
    check_oauth_client,
)
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal, Role
from headrace_auth.domain.refusals import invalid_field, not_found, permission_denied
from headrace_auth.domain.revocation_ids import client_revocation
from headrace_auth.domain.rights import Action, authorize, check_grant
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.pages import Page, page_of
from headrace_auth.use_cases.sessions.dead_sessions import end_dead_sessions


@dataclass(frozen=True, slots=True)
class ClientWithSecret:
    """A client and, this once, its secret; empty for a public one."""

    client: OAuthClient
    secret: str = field(repr=False)


class ClientManager:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, acts: Acts, notices: CredentialNotices) -> None:
        self._acts = acts
        self._notices = notices

    async def create(self, caller: Caller, request: ClientRequest) -> ClientWithSecret:
        """Raises INVALID_FIELD, and PERMISSION_DENIED also for more scopes than its maker has."""
        principal = caller.identified()
        authorize(principal, Action.CREATE_CLIENT)
        excess = ", ".join(sorted(request.scopes - principal.scopes))
        if excess:
            raise permission_denied(f"a client cannot have more rights than its maker: {excess}")
        secret = "" if request.public else new_secret(TokenPrefix.CLIENT_SECRET).reveal()
        async with self._acts.begin(caller) as act:
            client = OAuthClient(
                client_id=new_client_id(),
                organization_id=principal.member.organization_id,
                name=request.name,
                secret_sha256=opaque_secrets.digest(secret) if secret else None,
                redirect_uris=request.redirect_uris,
                grant_types=request.grant_types,
                scopes=request.scopes,
                service_user_id=request.service_user_id,
                created_by=principal.member.user_id,
                created_at=act.now,
            )
            check_oauth_client(client)
            if client.service_user_id is not None:
                await _check_service_account(act, principal, client.service_user_id)
            await act.add(client)
            await self._notices.of_client(act, client, Done.MADE)
        return ClientWithSecret(client, secret)

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[OAuthClient]:
        """The organisation's clients, also the revoked ones; raises PERMISSION_DENIED."""
        principal = caller.identified()
        authorize(principal, Action.LIST_CLIENTS)
        organization_id = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            return await page_of(act.of(OAuthClient), after, size, organization_id=organization_id)

    async def rotate_secret(self, caller: Caller, client_id: str) -> ClientWithSecret:
        """A new secret; the one before is worthless at once, what it has brought goes on.

        Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, or INVALID_FIELD for a client without a secret
        or a revoked one.
        """
        principal = caller.identified()
        authorize(principal, Action.ROTATE_CLIENT_SECRET)
        secret = new_secret(TokenPrefix.CLIENT_SECRET).reveal()
        async with self._acts.begin(caller) as act:
            client = await _client_of(act, principal, client_id)
            if client.is_public:
                raise invalid_field("client_id", "a public client has no secret")
            if not client.is_live:
                raise invalid_field("client_id", "the client has been revoked")
            rotated = replace(client, secret_sha256=opaque_secrets.digest(secret))
            await act.change(client, rotated, "rotate_secret")
            await self._notices.of_client(act, rotated, Done.RENEWED)
        return ClientWithSecret(rotated, secret)

    async def revoke(self, caller: Caller, client_id: str) -> OAuthClient:
        """End a client with all of its tokens; raises PERMISSION_DENIED or RESOURCE_NOT_FOUND.

        Its tokens end as one, with the client; repeating it announces that again. Its sessions are
        then written off one by one: until that is done people may still see some in their lists.
        """
        principal = caller.identified()
        authorize(principal, Action.REVOKE_CLIENT)
        async with self._acts.begin(caller) as act:
            client = await _client_of(act, principal, client_id)
            if client.is_live:
                revoked = replace(client, revoked_at=act.now)
                await act.change(client, revoked, "revoke")
                client = revoked
            await act.end(client.organization_id, client_revocation(client.client_id))
        await end_dead_sessions(self._acts, caller, client_id=client.client_id)
        return client


async def _client_of(act: Act, principal: Principal, client_id: str) -> OAuthClient:
    """The client, locked, if it is the principal's organisation's; raises RESOURCE_NOT_FOUND."""
    client = await act.of(OAuthClient).get(client_id, lock=True)
    if client is None or client.organization_id != principal.member.organization_id:
        raise not_found(OAuthClient.KIND.name)
    return client


async def _check_service_account(act: Act, principal: Principal, user_id: str) -> None:
    """Raises INVALID_FIELD for anything but a service account of the principal's organisation."""
    known = is_uuid(user_id)
    organization_id = principal.member.organization_id
    membership = await act.of(Membership).get(user_id, organization_id) if known else None
    user = await act.of(User).get(user_id) if membership else None
    service = user is not None and user.kind is UserKind.SERVICE and user.disabled_at is None
    if membership is None or not service or membership.role is not Role.SERVICE:
        raise invalid_field("service_user_id", "must be a service account of this organization")
    check_grant(principal, membership.role)
