"""The links in mails: pages of the front end, each with a token that only its reader may know."""

from dataclasses import dataclass
from urllib.parse import urlsplit

PLACE = "{token}"


@dataclass(frozen=True, slots=True)
class Links:
    """URLs of pages; all but `log_in` hold `{token}`, in the fragment.

    A browser sends a fragment to nobody: the token is in no server's log and in no `Referer`
    (RFC 9110, section 10.1.3). The page posts it. Raises ValueError for any other URL.
    """

    verify_email_url: str
    reset_password_url: str
    invitation_url: str
    log_in_url: str

    def __post_init__(self) -> None:
        for name in ("verify_email_url", "reset_password_url", "invitation_url"):
            check_link(getattr(self, name), name)
        _check_url(self.log_in_url, "log_in_url")

    def verify_email(self, token: str) -> str:
        return self.verify_email_url.replace(PLACE, token)

    def reset_password(self, token: str) -> str:
        return self.reset_password_url.replace(PLACE, token)

    def invitation(self, token: str) -> str:
        return self.invitation_url.replace(PLACE, token)


def check_link(url: str, name: str) -> None:
    """Raises ValueError unless `url` holds `{token}` once, in its fragment."""
    _check_url(url, name)
    before, _, fragment = url.partition("#")
    if PLACE in before or fragment.count(PLACE) != 1:
        raise ValueError(f"{name} must hold {PLACE} once, after a #")


def _check_url(url: str, name: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url or not _is_web_page(url):
        raise ValueError(f"{name} must be an http or https URL, in printable ASCII without spaces")


def _is_web_page(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
