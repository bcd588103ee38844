"""What somebody who registers says, and who may."""

from dataclasses import dataclass, field
from enum import StrEnum

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.directory import Invitation
from headrace_auth.domain.fields import MAXIMUM_NAME, check_name, normalize_email
from headrace_auth.domain.mails import is_plain_address
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.refusals import invalid_field, not_found


class RegistrationMode(StrEnum):
    """Who may make an account of its own."""

    CLOSED = "closed"
    """Nobody, not even who was invited: only who has an account already can take an invitation.

    Every mail with an invitation says so then, whoever it is for: whether its reader has an account
    is told to nobody, and least of all to the inviter.
    """
    INVITATION = "invitation"
    """Who was invited, and then joins who invited; the default."""
    OPEN = "open"
    """Anybody; who was not invited gets an organisation of its own."""


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A request whose fields keep their rules; the password is not judged yet."""

    email: str
    """Normalised, and one that mail can be sent to."""
    password: str = field(repr=False)
    name: str = ""
    organization_name: str = ""
    invitation_sha256: bytes | None = field(default=None, repr=False)


def check_registration(
    *, email: str, password: str, name: str, organization_name: str, invitation_token: str
) -> RegistrationRequest:
    """Raises INVALID_FIELD, or RESOURCE_NOT_FOUND for what cannot be the token of an invitation."""
    return RegistrationRequest(
        email=mail_address(email),
        password=password,
        name=_optional_name("name", name),
        organization_name=_optional_name("organization_name", organization_name),
        invitation_sha256=invitation_digest(invitation_token) if invitation_token else None,
    )


def invitation_digest(token: str) -> bytes:
    """What an invitation's token is kept as; raises RESOURCE_NOT_FOUND."""
    digest = opaque_secrets.parse(TokenPrefix.INVITATION, token)
    if digest is None:
        raise not_found(Invitation.KIND.name)
    return digest


def mail_address(email: str) -> str:
    """The address, normalised; raises INVALID_FIELD also for one that no mail can be sent to."""
    normalized = normalize_email(email)
    if not is_plain_address(normalized):
        raise invalid_field("email", "not an address that mail can be sent to")
    return normalized


def own_organization_names(name: str, email: str, suffix: str) -> tuple[str, str]:
    """What to call somebody's own organisation, and what else if that name is taken.

    A taken name is not refused: that would tell strangers who else is here.
    """
    wanted = name or email.partition("@")[0][:MAXIMUM_NAME]
    room = MAXIMUM_NAME - len(suffix) - 1
    return wanted, f"{wanted[:room].rstrip()}-{suffix}"


def _optional_name(param: str, name: str) -> str:
    return check_name(name, param) if name else ""
