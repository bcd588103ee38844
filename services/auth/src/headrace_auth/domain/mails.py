"""The mails that auth sends: plain text, short, and nothing in them that tells who read them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from headrace_auth.domain.fields import MAXIMUM_EMAIL
from headrace_auth.domain.refusals import invalid_field

MAXIMUM_SUBJECT = 200
MAXIMUM_NAME = 100
ENCODED_WORD = "=?"
ACCOUNT_NEEDED = "It is for people who have an account here: new ones cannot be made at present."
# RFC 5321's dot-string at a domain, in ASCII; no quotes, comments, lists or address literals.
_ADDRESS = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@[\w-]+(\.[\w-]+)*", re.A
)


@dataclass(frozen=True, slots=True)
class Mail:
    """One text for one person.

    Raises INVALID_FIELD (`email`) unless `to` is one plain address, and ValueError for a subject
    that is not one line or holds the beginning of an encoded word (RFC 2047): Python's mail library
    decodes those in what it is given, line ends included, and writes them out.
    """

    to: str
    subject: str
    text: str

    def __post_init__(self) -> None:
        if not is_plain_address(self.to):
            raise invalid_field("email", "not an address that mail can be sent to")
        if not self.subject.isprintable() or len(self.subject) > MAXIMUM_SUBJECT:
            raise ValueError(f"a subject is one line of at most {MAXIMUM_SUBJECT} characters")
        if ENCODED_WORD in self.subject:
            raise ValueError("a subject holds no encoded words")

    def __repr__(self) -> str:
        # The text may hold a link that logs in.
        return f"Mail({self.subject!r})"


def is_plain_address(text: str) -> bool:
    """Whether `text` is one address that needs no quotes: `local.part@domain`, in ASCII."""
    return len(text) <= MAXIMUM_EMAIL and _ADDRESS.fullmatch(text) is not None


def verify_email(to: str, link: str) -> Mail:
    """`link` proves that who opens it reads this address, and asks for the account's password."""
    return _mail(
        to,
        "Confirm your e-mail address",
        "Please confirm that this is your e-mail address: open this link, and enter the password"
        " that you chose when you signed up.",
        link,
        "It works once and only for a short time. If you did not sign up, do nothing: without"
        " you, nothing will happen.",
    )


def already_registered(to: str, link: str) -> Mail:
    """To an owner of an account, when somebody registers with its address; `link` logs in."""
    return _mail(
        to,
        "You already have an account",
        "Somebody, probably you, tried to sign up with this e-mail address. There is an account"
        " for it already. You can log in or set a new password here:",
        link,
        "If it was not you, do nothing: your account is unchanged.",
    )


def unconfirmed_account(to: str, link: str) -> Mail:
    """As `already_registered`, of an account that may be a stranger's: nobody has confirmed it."""
    return _mail(
        to,
        "Your address is waiting to be confirmed",
        "Somebody, probably you, tried to sign up with this e-mail address. There is an account for"
        " it already, which nobody has confirmed. If you know its password, use the link in our"
        " first mail. If not, set a new one here: that confirms your address, and nobody else gets"
        " into the account any more.",
        link,
        "If it was not you, do nothing: without you, nothing will happen.",
    )


def reset_password(to: str, link: str) -> Mail:
    """`link` lets who opens it choose a new password."""
    return _mail(
        to,
        "Set a new password",
        "You can choose a new password by opening this link:",
        link,
        "It works once and only for a short time. If you did not ask for it, do nothing: your"
        " password is unchanged.",
    )


def invitation(
    to: str,
    organization: str,
    inviter: str,
    link: str,
    expires_at: datetime,
    *,
    can_register: bool = True,
) -> Mail:
    """`organization` and `inviter` are names that people chose; `link` accepts.

    `can_register`: whether who has no account can make one. It is the installation's rule and the
    same for every reader, so the mail tells nobody who has an account.
    """
    name = _one_line(organization)
    condition = "" if can_register else f" {ACCOUNT_NEEDED}"
    return _mail(
        to,
        f"Invitation to {name}",
        f'{_one_line(inviter)} invites you to join "{name}" on Headrace. To accept, open this'
        " link:",
        link,
        f"It works once, until {expires_at:%Y-%m-%d %H:%M} UTC.{condition} If you do not know the"
        " sender, do nothing.",
    )


def password_changed(to: str) -> Mail:
    """A notice to who may not have done it."""
    return _notice(to, "Your password was changed", "The password of your account was changed.")


def login_method_linked(to: str, method: str) -> Mail:
    """`method` names what logs in from now on, like `GitHub`."""
    return _notice(
        to,
        "New way to log in",
        f"From now on {_one_line(method)} can be used to log in to your account.",
    )


def account_taken_over(to: str, method: str) -> Mail:
    """To whoever `method`, like `GitHub`, knows by an address that somebody had signed up with."""
    return _notice(
        to,
        "Your account is confirmed",
        "Somebody signed up with this e-mail address and never confirmed it. You have now logged in"
        f" through {_one_line(method)}, which knows the address as yours. The account is yours; the"
        " password that was chosen for it no longer works.",
    )


def login_method_unlinked(to: str, method: str) -> Mail:
    """`method` names what no longer logs in, like `GitHub`."""
    return _notice(
        to,
        "Way to log in removed",
        f"{_one_line(method)} can no longer be used to log in to your account.",
    )


def second_factor_enabled(to: str) -> Mail:
    """A notice to who may not have done it."""
    return _notice(
        to,
        "Second factor turned on",
        "From now on, logging in to your account needs a code from your authenticator app too.",
    )


def second_factor_disabled(to: str) -> Mail:
    """A notice to who may not have done it."""
    return _notice(
        to,
        "Second factor turned off",
        "Logging in to your account no longer needs a code from your authenticator app.",
    )


def recovery_code_used(to: str, remaining: int) -> Mail:
    """`remaining` counts the codes that still work."""
    return _notice(
        to,
        "Recovery code used",
        "Somebody, probably you, logged in to your account with a recovery code."
        f" Codes left: {remaining}.",
    )


def recovery_codes_renewed(to: str) -> Mail:
    """A notice to who may not have done it."""
    return _notice(
        to,
        "New recovery codes",
        "Your account has new recovery codes for its second factor; the ones before are worthless.",
    )


class Credential(StrEnum):
    """What outlives the login that made it."""

    API_KEY = "API key"
    SIGNING_KEY = "signing key"
    APPLICATION = "application"


class Done(StrEnum):
    """What happened to it."""

    MADE = "was made"
    RENEWED = "was given a new secret"
    CHANGED = "may do other things now"


REVOKING = {
    Credential.API_KEY: "headrace keys revoke",
    Credential.SIGNING_KEY: "headrace keys revoke",
    Credential.APPLICATION: "headrace oauth-clients revoke",
}


@dataclass(frozen=True, slots=True)
class CredentialNews:
    """What its owner is told of a credential; no secret is in it."""

    what: Credential
    done: Done
    credential_id: str
    name: str
    """As whoever made it chose."""
    scopes: Collection[str]
    at: datetime
    source_address: str
    """Whence it was done, as the edge saw it; may be empty."""


def credential_news(to: str, news: CredentialNews, whose: str) -> Mail:
    """A notice to who may not have done it; `whose` is like `your account`."""
    article = "An" if news.what[0] in "Aa" else "A"
    details = (
        f'Name: "{_one_line(news.name)}"',
        f"Id: {news.credential_id}",
        f"May: {', '.join(sorted(news.scopes)) or 'nothing'}",
        f"When: {news.at:%Y-%m-%d %H:%M:%S} UTC",
        f"From: {news.source_address or 'an unknown address'}",
    )
    return _mail(
        to,
        f"{news.what[0].upper()}{news.what[1:]} {news.done}",
        f"{article} {news.what} of {_one_line(whose)} {news.done}.",
        "\n".join(details),
        "If you know of this, all is well. If not, revoke it now"
        f" (`{REVOKING[news.what]} {news.credential_id}`), set a new password, which ends all"
        " sessions, and tell your administrator.",
    )


def _notice(to: str, subject: str, what: str) -> Mail:
    warning = (
        "If this was you, all is well. If not, set a new password now and tell your administrator."
    )
    return _mail(to, subject, what, warning)


def _mail(to: str, subject: str, *paragraphs: str) -> Mail:
    text = "\n\n".join(("Hello,", *paragraphs, "Headrace"))
    return Mail(to, subject, text + "\n")


def _one_line(name: str) -> str:
    """A name that people chose, made harmless in a subject and unable to begin a paragraph."""
    printable = "".join(character if character.isprintable() else " " for character in name)
    return " ".join(printable.replace(ENCODED_WORD, "= ?").split())[:MAXIMUM_NAME]
