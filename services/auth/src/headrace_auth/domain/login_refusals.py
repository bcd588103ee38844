"""Why somebody whom an identity provider was asked about does not get in: a fixed list."""

from enum import StrEnum
from types import MappingProxyType

from headrace_auth.domain.refusals import permission_denied
from headrace_common.errors import HeadraceError, Reason


class LoginRefusal(StrEnum):
    """Why; the front end gets it as `#error=` and explains it to the person."""

    ACCESS_DENIED = "access_denied"
    """The person, or the provider, said no (RFC 6749, section 4.1.2.1)."""
    NOT_CONFIRMED = "not_confirmed"
    """What the provider said cannot be believed."""
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    """The provider, or something else that is needed, does not answer."""
    EMAIL_NOT_VERIFIED = "email_not_verified"
    """By the provider, which may also have sent no address."""
    PASSWORD_ACCOUNT = "password_account"  # noqa: S105 - not a password
    """Log in with the password and link the provider in the account settings."""
    ACCOUNT_NOT_VERIFIED = "account_not_verified"
    """Nobody has shown that its address is theirs, and it has more than registering gives."""
    REGISTRATION_CLOSED = "registration_closed"
    ACCOUNT_DISABLED = "account_disabled"
    NO_ORGANIZATION = "no_organization"
    """The account is in no organisation any more."""
    IDENTITY_TAKEN = "identity_taken"
    """It is linked to another account."""
    SESSION_ENDED = "session_ended"
    """The one in which somebody began to link the identity."""


OF_REASON = MappingProxyType(
    {
        Reason.LOGIN_FAILED: LoginRefusal.NOT_CONFIRMED,
        Reason.DEPENDENCY_UNAVAILABLE: LoginRefusal.TEMPORARILY_UNAVAILABLE,
    }
)
"""What becomes of errors for which the person is sent back to the front end."""

OF_PROVIDER_ERROR = MappingProxyType(
    {
        "access_denied": LoginRefusal.ACCESS_DENIED,
        "temporarily_unavailable": LoginRefusal.TEMPORARILY_UNAVAILABLE,
        "server_error": LoginRefusal.TEMPORARILY_UNAVAILABLE,
    }
)
"""A provider's `error` (RFC 6749, section 4.1.2.1); any other is NOT_CONFIRMED."""

_SENTENCES = MappingProxyType(
    {
        LoginRefusal.EMAIL_NOT_VERIFIED: (
            "The identity provider has not verified your e-mail address."
        ),
        LoginRefusal.PASSWORD_ACCOUNT: (
            "Log in with your password, then link this identity provider."
        ),
        LoginRefusal.ACCOUNT_NOT_VERIFIED: (
            "The address of this account has not been confirmed: set a new password by mail."
        ),
        LoginRefusal.REGISTRATION_CLOSED: "There is no account for you; ask an administrator.",
        LoginRefusal.ACCOUNT_DISABLED: "This account is disabled.",
        LoginRefusal.NO_ORGANIZATION: "This account is in no organization.",
        LoginRefusal.SESSION_ENDED: "The session in which you began has ended.",
    }
)


def login_refused(refusal: LoginRefusal) -> HeadraceError:
    """The same to whoever exchanges a login code, should it have come up since the callback."""
    if refusal is LoginRefusal.IDENTITY_TAKEN:
        return HeadraceError(Reason.ALREADY_EXISTS, "This identity is linked to another account.")
    return permission_denied(_SENTENCES[refusal])
