"""An application asks, a person answers: from an authorization request to the answer's location."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.domain.oauth_grants import AuthorizationRequest
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.refusals import not_found, permission_denied
from headrace_auth.oauth.authorization import PendingAuthorization
from headrace_auth.oauth.errors import AuthorizationError
from headrace_auth.oauth.messages import OAuthRequest
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.logins.login import Login

REQUEST_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked; who holds the id may answer, once."""

    authorization_id: str = field(repr=False)
    organization_name: str
    pending: PendingAuthorization


@dataclass(frozen=True, slots=True)
class Answer:
    """Where to send the browser, whose application hears it there, and who said yes, if anybody."""

    location: str = field(repr=False)
    client_id: str
    user_id: str = ""
    organization_id: str = ""


class ClientAuthorizations:
    """Keeps requests while people think.

    Password, second factor and consent come together: whoever can send a yes has just proven who
    it is, so there is no login of a browser that a forged page could use.
    """

    def __init__(
        self,
        acts: Acts,
        login: Login,
        browser_throttle: AddressThrottle,
        server_for: Callable[[Caller], OAuthServer],
    ) -> None:
        """`server_for` gives the authorization server as it works for one caller."""
        self._acts = acts
        self._login = login
        self._browser_throttle = browser_throttle
        self._server_for = server_for

    async def ask(self, caller: Caller, request: OAuthRequest) -> Question:
        """Keep a request for ten minutes.

        Raises REQUEST_RATE_LIMITED, and what `OAuthServer.check_authorization` raises.
        """
        await self._browser_throttle.begin(caller)
        pending = await self._server_for(caller).check_authorization(request)
        authorization_id = new_secret(TokenPrefix.AUTHORIZATION_REQUEST)
        async with self._acts.begin(caller) as act:
            await act.of(AuthorizationRequest).add(
                AuthorizationRequest(
                    request_sha256=authorization_id.sha256,
                    client_id=pending.client_id,
                    redirect_uri=pending.redirect_uri,
                    scopes=pending.scopes,
                    code_challenge=pending.code_challenge,
                    created_at=act.now,
                    expires_at=act.now + REQUEST_LIFE,
                    state=pending.state,
                )
            )
            return await _question(act, authorization_id.reveal(), pending)

    async def look_up(self, caller: Caller, authorization_id: str) -> Question:
        """The question again; raises RESOURCE_NOT_FOUND once it is answered or too old."""
        async with self._acts.begin(caller) as act:
            _, pending = await _waiting(act, authorization_id)
            return await _question(act, authorization_id, pending)

    async def allow(
        self, caller: Caller, authorization_id: str, *, email: str, password: str, code: str
    ) -> Answer:
        """A yes of whoever has this password and code.

        Raises RESOURCE_NOT_FOUND as `look_up`, what `Login.log_in` raises, and PERMISSION_DENIED
        to strangers to the application's organisation. All these leave the question open.
        """
        # Looked at first: hashing is work that strangers should not get for the asking.
        await self.look_up(caller, authorization_id)
        async with self._login.proven(caller, email, password, code) as (act, user):
            pending = await _take(act, authorization_id, user.user_id)
        return await self._approve(caller, pending, user.user_id)

    async def deny(self, caller: Caller, authorization_id: str) -> Answer:
        """A no of whoever it is; raises RESOURCE_NOT_FOUND as `look_up`.

        It needs no password: who holds the id could as well just close the page.
        """
        async with self._acts.begin(caller) as act:
            request, pending = await _waiting(act, authorization_id, lock=True)
            await act.of(AuthorizationRequest).remove(request.request_sha256)
        return Answer(self._server_for(caller).deny(pending).location, pending.client_id)

    async def _approve(self, caller: Caller, pending: PendingAuthorization, user_id: str) -> Answer:
        """A yes that leaves no scope is an answer, too: the application hears that it failed."""
        organization_id = pending.organization_id
        try:
            location = await self._server_for(caller).approve(
                pending, user_id=user_id, organization_id=organization_id
            )
        except AuthorizationError as refused:
            location = refused.location
        return Answer(location, pending.client_id, user_id, organization_id)


async def _take(act: Act, authorization_id: str, user_id: str) -> PendingAuthorization:
    """Answer the question, if it is this user's to answer; raises PERMISSION_DENIED."""
    request, pending = await _waiting(act, authorization_id, lock=True)
    if await act.of(Membership).get(user_id, pending.organization_id) is None:
        raise permission_denied("Only members of the application's organization can allow it.")
    await act.of(AuthorizationRequest).remove(request.request_sha256)
    return pending


async def _waiting(
    act: Act, authorization_id: str, *, lock: bool = False
) -> tuple[AuthorizationRequest, PendingAuthorization]:
    digest = opaque_secrets.parse(TokenPrefix.AUTHORIZATION_REQUEST, authorization_id)
    request = await act.of(AuthorizationRequest).get(digest, lock=lock) if digest else None
    client = await act.of(OAuthClient).get(request.client_id) if request else None
    if request is None or client is None or act.now >= request.expires_at:
        raise not_found(AuthorizationRequest.KIND.name)
    pending = PendingAuthorization(
        client_id=client.client_id,
        client_name=client.name,
        organization_id=client.organization_id,
        redirect_uri=request.redirect_uri,
        scopes=request.scopes,
        code_challenge=request.code_challenge,
        state=request.state,
    )
    return request, pending


async def _question(act: Act, authorization_id: str, pending: PendingAuthorization) -> Question:
    organization = await act.of(Organization).get(pending.organization_id)
    return Question(authorization_id, organization.name if organization else "", pending)
