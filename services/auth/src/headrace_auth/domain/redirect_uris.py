"""Where an authorization may be sent: three kinds of redirect URIs, compared exactly.

    https://app.example/callback    for every client
    http://127.0.0.1/callback       for native apps, also [::1]; any port will do (RFC 8252, 7.3)
    com.example.app:/callback       for native apps: a private-use scheme (RFC 8252, 7.1)

What is registered is held to a narrow form, so that a browser can read it in one way only.
"""

import re
from urllib.parse import parse_qsl, unquote

from headrace_auth.domain.refusals import invalid_field

FIELD = "redirect_uris"
MAXIMUM_LENGTH = 500
RESPONSE_PARAMETERS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})

_CHARACTER = r"(?:[A-Za-z0-9\-._~!$&'()+,;=:@]|%[0-9A-Fa-f]{2})"  # RFC 3986, but no wildcard
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_REST = rf"(?P<path>(?:/{_CHARACTER}*)*)(?:\?(?P<query>(?:{_CHARACTER}|[/?])*))?"

_HTTPS = re.compile(rf"https://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\]){_PORT}{_REST}")
_LOOPBACK = re.compile(rf"http://(?:127\.0\.0\.1|\[::1\]){_PORT}{_REST}")
_PRIVATE_USE = re.compile(rf"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:(?=/){_REST}")


def check_redirect_uri(uri: str, *, public: bool) -> None:
    """Raises INVALID_FIELD for what a client, `public` or not, may not register."""
    if len(uri) > MAXIMUM_LENGTH:
        raise invalid_field(FIELD, f"each has at most {MAXIMUM_LENGTH} characters")
    forms = (_HTTPS, _LOOPBACK, _PRIVATE_USE) if public else (_HTTPS,)
    match = next(filter(None, (form.fullmatch(uri) for form in forms)), None)
    if match is None or not _is_port(match):
        raise invalid_field(
            FIELD,
            "each is an https URI or, for public clients, http on 127.0.0.1 or [::1], or has a"
            " private-use scheme with a dot; no fragment, wildcard or user information",
        )
    if {".", ".."} & set(re.split(r"[/\\]", unquote(match["path"]))):
        raise invalid_field(FIELD, "no path has dot segments")
    names = {name for name, _ in parse_qsl(match["query"] or "", keep_blank_values=True)}
    if names & RESPONSE_PARAMETERS:
        raise invalid_field(FIELD, "no query has a parameter that the response will add")


def redirect_uri_matches(registered: str, requested: str) -> bool:
    """Whether they are one string; on a loopback address the port does not count."""
    if registered == requested:
        return True
    ours, theirs = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(requested)
    if ours is None or theirs is None or not _is_port(theirs):
        return False
    return _without_port(ours) == _without_port(theirs)


def _is_port(match: re.Match[str]) -> bool:
    return int(match.groupdict().get("port") or 0) <= 65535


def _without_port(match: re.Match[str]) -> str:
    start, end = match.span("port")
    # The colon goes with the port.
    return match.string if start < 0 else match.string[: start - 1] + match.string[end:]
