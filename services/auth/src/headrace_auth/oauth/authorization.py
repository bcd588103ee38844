"""Authorization requests: checked, shown, and answered through the browser (RFC 6749, 4.1.1).

Everything here is pure. Errors about client or redirect URI are for the person; only when both are
right do the rest go to the redirect URI, each with `iss` (RFC 9207) and the client's `state`.
"""

import re
from dataclasses import dataclass, field

from authlib.common.urls import add_params_to_uri

from headrace_auth.domain.oauth_clients import GrantType, OAuthClient
from headrace_auth.domain.principal import Scope
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.oauth.errors import (
    AuthorizationError,
    ErrorCode,
    OAuthError,
    invalid_request,
)
from headrace_auth.oauth.messages import Parameters
from headrace_auth.oauth.scopes import parse_scope
from headrace_common.errors import HeadraceError

MAXIMUM_STATE = 2048
_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of 32 bytes, RFC 7636, section 4.2


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """A valid request that waits for the person's word; name and scopes are for them to read."""

    client_id: str
    client_name: str
    organization_id: str
    redirect_uri: str
    scopes: frozenset[Scope]
    code_challenge: str = field(repr=False)
    state: str | None = field(default=None, repr=False)


def unknown_client() -> HeadraceError:
    """For the person, who came by a link that is wrong or old."""
    return invalid_field("client_id", "there is no such application")


def wrong_redirect_uri() -> HeadraceError:
    """For the person, who may be about to be sent to an attacker."""
    return invalid_field("redirect_uri", "the application is not registered with this address")


def check_redirect(parameters: Parameters, client: OAuthClient | None) -> tuple[OAuthClient, str]:
    """The client and where its answer goes; raises HeadraceError (INVALID_FIELD)."""
    if client is None or not client.is_live:
        raise unknown_client()
    redirect_uri = parameters.values.get("redirect_uri")
    if redirect_uri is None or not client.accepts_redirect_to(redirect_uri):
        raise wrong_redirect_uri()
    return client, redirect_uri


def check_request(
    parameters: Parameters, client: OAuthClient, redirect_uri: str
) -> PendingAuthorization:
    """The request, if the rest of it is right too; raises OAuthError."""
    values = parameters.check()
    if GrantType.AUTHORIZATION_CODE not in client.grant_types:
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, "not a grant type of this client")
    _check_response_type(values.get("response_type"), values.get("response_mode"))
    state = values.get("state")
    if state is not None and len(state) > MAXIMUM_STATE:
        raise invalid_request(f"state has more than {MAXIMUM_STATE} characters")
    return PendingAuthorization(
        client_id=client.client_id,
        client_name=client.name,
        organization_id=client.organization_id,
        redirect_uri=redirect_uri,
        scopes=_scopes(values.get("scope"), client),
        code_challenge=_challenge(
            values.get("code_challenge"), values.get("code_challenge_method")
        ),
        state=state,
    )


def success_location(pending: PendingAuthorization, code: str, issuer: str) -> str:
    """Where to send the browser with a code (RFC 6749, section 4.1.2)."""
    return _location(pending.redirect_uri, [("code", code)], pending.state, issuer)


def refused(
    refusal: OAuthError, redirect_uri: str, state: str | None, issuer: str
) -> AuthorizationError:
    """The refusal, on its way through the browser (RFC 6749, section 4.1.2.1)."""
    pairs = [("error", refusal.code.value), ("error_description", refusal.description)]
    if state is not None and len(state) > MAXIMUM_STATE:
        state = None
    return AuthorizationError(refusal.code, _location(redirect_uri, pairs, state, issuer))


def _location(
    redirect_uri: str, pairs: list[tuple[str, str]], state: str | None, issuer: str
) -> str:
    echoed = [] if state is None else [("state", state)]
    location: str = add_params_to_uri(redirect_uri, [*pairs, *echoed, ("iss", issuer)])
    return location


def _check_response_type(response_type: str | None, response_mode: str | None) -> None:
    if response_type is None:
        raise invalid_request("response_type is missing")
    if response_type != "code":
        raise OAuthError(ErrorCode.UNSUPPORTED_RESPONSE_TYPE, "response_type must be code")
    if response_mode not in (None, "query"):
        raise invalid_request("response_mode must be query")


def _scopes(text: str | None, client: OAuthClient) -> frozenset[Scope]:
    requested = parse_scope(text)
    scopes = client.scopes if requested is None else requested & client.scopes
    if not scopes:
        raise OAuthError(ErrorCode.INVALID_SCOPE, "none of these scopes is this client's")
    return scopes


def _challenge(challenge: str | None, method: str | None) -> str:
    if method != "S256":
        # Absent means plain (RFC 7636, section 4.3), which shows the verifier to everyone.
        raise invalid_request("code_challenge_method must be S256")
    if challenge is None or not _S256_CHALLENGE.fullmatch(challenge):
        raise invalid_request("code_challenge must be 43 characters of base64url")
    return challenge
