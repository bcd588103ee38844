"""Notices of credentials, for tests that are about something else or read the mail."""

from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.testing.settings import LINKS
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.outgoing_mail import OutgoingMail


def credential_notices(mailer: MemoryMailer | None = None) -> CredentialNotices:
    """Into this mailer, or one that nobody reads."""
    return CredentialNotices(OutgoingMail(mailer or MemoryMailer(), LINKS))
