"""Who an identity provider says somebody is."""

from dataclasses import dataclass

from headrace_auth.domain.fields import MAXIMUM_NAME, normalize_email
from headrace_auth.domain.mails import is_plain_address
from headrace_common.errors import HeadraceError

MAXIMUM_SUBJECT = 255
"""OpenID Connect Core 1.0, section 2, `sub`."""


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """A person at a provider; (`provider`, `subject`) never changes, everything else may.

    `email` is normalised, or None if there is none that can be believed; `name` is fit to show, or
    empty.
    """

    provider: str
    subject: str
    email: str | None
    email_verified: bool
    name: str


def external_identity(
    provider: str, subject: object, *, email: object, email_verified: object, name: object
) -> ExternalIdentity:
    """What a provider claims, cleaned; raises ValueError when the subject is unusable.

    Some providers write `email_verified` as text; everything but true and "true" is no.
    """
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAXIMUM_SUBJECT:
        raise ValueError(f"the subject must have from 1 to {MAXIMUM_SUBJECT} characters")
    if not (subject.isascii() and subject.isprintable()):
        raise ValueError("the subject must be printable ASCII")
    address = _address(email)
    verified = address is not None and (email_verified is True or email_verified == "true")
    return ExternalIdentity(provider, subject, address, verified, _shown(name))


def _address(email: object) -> str | None:
    # Lower case turns some letters beyond ASCII into ASCII ones (the Kelvin sign into k), so that
    # such an address would be taken for somebody else's.
    if not isinstance(email, str) or not email.isascii():
        return None
    try:
        address = normalize_email(email)
    except HeadraceError:
        return None
    return address if is_plain_address(address) else None


def _shown(name: object) -> str:
    if not isinstance(name, str):
        return ""
    return "".join(filter(str.isprintable, name)).strip()[:MAXIMUM_NAME].strip()
