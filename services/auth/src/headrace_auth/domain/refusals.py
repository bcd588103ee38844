"""Every way in which auth refuses a call, each with the one sentence that the caller reads."""

import math

from headrace_common.errors import HeadraceError, Reason


def credential_missing() -> HeadraceError:
    """There is nothing to check."""
    return HeadraceError(Reason.CREDENTIAL_MISSING, "this call needs a credential")


def login_failed() -> HeadraceError:
    """Unknown account, wrong password and wrong code all get this, to the letter."""
    return HeadraceError(Reason.LOGIN_FAILED, "Wrong e-mail address, password or code.")


def login_throttled(wait_seconds: float) -> HeadraceError:
    """Too many proofs of this account, or from this address, were wrong."""
    return HeadraceError(
        Reason.LOGIN_THROTTLED,
        f"Too many failed logins. Try again in {math.ceil(wait_seconds)} s.",
        retry_after_seconds=wait_seconds,
    )


def too_many_requests(wait_seconds: float) -> HeadraceError:
    """Too much was asked for from this address without logging in."""
    return HeadraceError(
        Reason.REQUEST_RATE_LIMITED,
        f"Too many requests. Try again in {math.ceil(wait_seconds)} s.",
        retry_after_seconds=wait_seconds,
    )


def too_many_invitations(most: int, wait_seconds: float) -> HeadraceError:
    """The organisation has sent as many within a day as it may."""
    return HeadraceError(
        Reason.REQUEST_RATE_LIMITED,
        f"An organization sends at most {most} invitations in 24 hours."
        f" Try again in {math.ceil(wait_seconds)} s.",
        retry_after_seconds=wait_seconds,
    )


def token_invalid(param: str = "token") -> HeadraceError:
    """Malformed, unknown, used and expired tokens from mails all get this, to the letter."""
    return invalid_field(param, "not valid, used already or expired")


def second_factor_required(param: str = "code") -> HeadraceError:
    """The password or the identity provider's word was right; `param` is where the code goes."""
    return HeadraceError(
        Reason.SECOND_FACTOR_REQUIRED, "A code of the second factor is needed, too.", param=param
    )


def second_factor_wrong() -> HeadraceError:
    """Only to somebody for whom an identity provider vouched."""
    return HeadraceError(Reason.LOGIN_FAILED, "The code of the second factor is wrong.")


def login_code_invalid() -> HeadraceError:
    """Unknown, used and expired login codes, and wrong verifiers, all get this, to the letter."""
    return HeadraceError(Reason.LOGIN_FAILED, "The login code is not valid.")


def email_not_verified() -> HeadraceError:
    """The password was right; the address has not been proven."""
    return permission_denied("Confirm your e-mail address first, by the link that was sent to it.")


def login_too_old() -> HeadraceError:
    """Where there is no password to ask for, only a recent login proves who it is."""
    return permission_denied(
        "This account has no password: log in again, and do this within five minutes."
    )


def permission_denied(message: str) -> HeadraceError:
    """The principal is known; `message` says what it lacks."""
    return HeadraceError(Reason.PERMISSION_DENIED, message)


def not_found(what: str) -> HeadraceError:
    """Another organisation's or person's thing gets this too: its existence is not told."""
    return HeadraceError(Reason.RESOURCE_NOT_FOUND, f"There is no such {_in_words(what)}.")


def no_prices_in_force() -> HeadraceError:
    """Of a new installation, or of one whose first table begins later."""
    return HeadraceError(
        Reason.RESOURCE_NOT_FOUND, "No prices are in force: none are set yet, or only for later."
    )


def already_exists(what: str, param: str | None = None) -> HeadraceError:
    """A name, an address or an id is taken; `param` is the request field that names it."""
    message = f"This {_in_words(what)} exists already."
    return HeadraceError(Reason.ALREADY_EXISTS, message, param=param)


def _in_words(what: str) -> str:
    return what.replace("_", " ").replace("api key", "API key")


def invalid_field(param: str, message: str) -> HeadraceError:
    """`param` is the request field, `message` its rule."""
    return HeadraceError(Reason.INVALID_FIELD, f"{param}: {message}", param=param)


def too_many_logins() -> HeadraceError:
    """A login costs memory and time on purpose, so only so many run or wait."""
    return HeadraceError(Reason.QUEUE_FULL, "too many logins at once", retry_after_seconds=1)


def identity_provider_unavailable() -> HeadraceError:
    """It cannot be reached, or answers late or with a fault of its own."""
    return HeadraceError(
        Reason.DEPENDENCY_UNAVAILABLE,
        "the identity provider does not answer",
        retry_after_seconds=5,
    )


def login_not_confirmed() -> HeadraceError:
    """Whatever was wrong with what the provider said; the log tells what."""
    return HeadraceError(Reason.LOGIN_FAILED, "The identity provider did not confirm this login.")


def too_many_oauth_requests() -> HeadraceError:
    """The authorization server runs in a few threads, so only so many requests run or wait."""
    return HeadraceError(
        Reason.QUEUE_FULL, "too many OAuth requests at once", retry_after_seconds=1
    )
