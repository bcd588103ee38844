"""A Mail as the bytes of an Internet message (RFC 5322)."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from headrace_auth.domain.mails import Mail, is_plain_address
from headrace_common.ids import uuid7

# 7 bit passes every server. Lines are as long as RFC 5322 lets them be, so that a link stays
# whole in the raw file, where people and scripts of a local installation read it.
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=998)


def sender_address(text: str) -> Address:
    """The sender of all mail from `address` or `Name <address>`; raises ValueError."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = text
    addresses = message["From"].addresses
    if (
        message["From"].defects
        or len(addresses) != 1
        or not is_plain_address(addresses[0].addr_spec)
    ):
        raise ValueError("the sender must be `address` or `Name <address>`")
    sender: Address = addresses[0]
    return sender


def to_bytes(mail: Mail, sender: Address, now: datetime) -> bytes:
    """Headers and text with CRLF line ends, in ASCII."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{uuid7(now)}@{sender.domain}>"
    # RFC 3834: keeps out-of-office answers away.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message.as_bytes()
