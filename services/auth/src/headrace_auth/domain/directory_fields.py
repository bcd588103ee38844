"""Rules for the fields of organisations, teams, users and invitations; see `fields`."""

from headrace_auth.domain.directory import UserKind
from headrace_auth.domain.fields import normalize_email
from headrace_auth.domain.mails import is_plain_address
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import invalid_field


def check_mail_address(param: str, email: str) -> str:
    """The address as it is kept, if mail can be sent to it."""
    normalized = normalize_email(email)
    if not is_plain_address(normalized):
        raise invalid_field(param, "not an address that mail can be sent to")
    return normalized


def check_role(kind: UserKind, role: Role) -> Role:
    """Service accounts have the role service, and nobody else has it."""
    if (kind is UserKind.SERVICE) is not (role is Role.SERVICE):
        raise invalid_field("role", "service is the role of service accounts, and only theirs")
    return role
