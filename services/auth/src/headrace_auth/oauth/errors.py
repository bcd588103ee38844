"""How this authorization server refuses, each time with a code that an RFC defines.

OAuthError            told to the client in an answer (RFC 6749, section 5.2)
AuthorizationError    told to the client through the browser (RFC 6749, section 4.1.2.1)

Before client and redirect URI are known to be right nothing may be told to a client: that is a
HeadraceError (INVALID_FIELD) for the person in front of the browser.
"""

from enum import StrEnum

from headrace_auth.domain.oauth_clients import GrantType


class ErrorCode(StrEnum):
    """The `error` parameter."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    ACCESS_DENIED = "access_denied"


class OAuthError(Exception):
    """The client did something wrong; `description` is for its developer and quotes no input."""

    def __init__(self, code: ErrorCode, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class AuthorizationError(Exception):
    """An authorization request fails; at `location` the application hears why."""

    def __init__(self, code: ErrorCode, location: str) -> None:
        super().__init__(code)
        self.code = code
        self.location = location


def invalid_client() -> OAuthError:
    """Unknown, revoked and wrongly authenticated clients all get this, to the letter."""
    return OAuthError(ErrorCode.INVALID_CLIENT, "client authentication failed")


def invalid_grant() -> OAuthError:
    """Unknown, expired, used and foreign codes and refresh tokens all get this, to the letter."""
    return OAuthError(ErrorCode.INVALID_GRANT, "the grant is not valid for this client")


def unsupported_grant_type() -> OAuthError:
    """None of ours; whether the client may use it is another question."""
    known = ", ".join(GrantType)
    return OAuthError(ErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be one of {known}")


def invalid_scope() -> OAuthError:
    """Malformed or unknown scopes, more than was granted, or nothing that can be granted."""
    return OAuthError(ErrorCode.INVALID_SCOPE, "no such scope, or not for this client and user")


def invalid_request(description: str) -> OAuthError:
    """`description` names parameter and rule."""
    return OAuthError(ErrorCode.INVALID_REQUEST, description)
