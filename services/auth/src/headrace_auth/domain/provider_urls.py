"""Which addresses this service may call: https anywhere, http only on this machine if allowed."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

MAXIMUM_URL = 2048

_VISIBLE = re.compile(rf"[\x21-\x5b\x5d-\x7e]{{1,{MAXIMUM_URL}}}")
"""No spaces, and no backslash, which some parsers take for a slash."""


def check_endpoint(param: str, url: str, *, http_on_loopback: bool) -> str:
    """`url`, if it may be called; raises ValueError that names `param` and the rule."""
    if not _VISIBLE.fullmatch(url):
        raise ValueError(f"{param}: from 1 to {MAXIMUM_URL} visible ASCII characters, no backslash")
    try:
        parts = urlsplit(url)
        port_is_usable = parts.port != 0
    except ValueError as error:
        raise ValueError(f"{param}: not a URL") from error
    if not parts.hostname or not port_is_usable or "@" in parts.netloc:
        raise ValueError(f"{param}: must have a host, and no user")
    if parts.fragment or url.endswith("#"):
        raise ValueError(f"{param}: must have no fragment")
    if parts.scheme != "https" and not (http_on_loopback and _is_http_on_loopback(parts)):
        raise ValueError(f"{param}: must be https")
    return url


def check_issuer(param: str, url: str, *, http_on_loopback: bool) -> str:
    """As `check_endpoint`, and without a query (OpenID Connect Discovery 1.0, section 3)."""
    check_endpoint(param, url, http_on_loopback=http_on_loopback)
    if "?" in url:
        raise ValueError(f"{param}: must have no query")
    return url


def _is_http_on_loopback(parts: SplitResult) -> bool:
    if parts.scheme != "http" or parts.hostname is None:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
