"""What comes in and goes out, free of any HTTP library.

Parameters are pairs in the order in which they came, since one that comes twice must be refused
(RFC 6749, sections 3.1 and 3.2), and an empty one counts as absent.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from headrace_auth.oauth.errors import ErrorCode, OAuthError, invalid_request

Pairs = tuple[tuple[str, str], ...]

MAXIMUM_BYTES, MAXIMUM_PARAMETERS, MAXIMUM_VALUE = 16_384, 50, 4096
RECOGNIZED = frozenset(
    {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "response_mode"),
        *("code_challenge", "code_challenge_method"),
        *("grant_type", "code", "code_verifier", "client_secret", "refresh_token"),
        *("token", "token_type_hint"),
    }
)
_VISIBLE = re.compile(r"[ -~]*")  # VSCHAR, RFC 6749, appendix A


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """The URI's query, the body's form and the Authorization header, empty if there is none."""

    query: Pairs = ()
    form: Pairs = ()
    authorization: str = ""

    def __repr__(self) -> str:
        return "OAuthRequest()"


@dataclass(frozen=True, slots=True)
class OAuthResponse:
    """A status, headers and a body that is to be sent as JSON."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The recognised parameters, and which ones broke a rule: came twice, or not as plain ASCII."""

    values: Mapping[str, str] = field(repr=False)
    broken: frozenset[str]

    def check(self) -> Mapping[str, str]:
        """The values; raises OAuthError (INVALID_REQUEST) if any is broken."""
        if self.broken:
            raise invalid_request("a parameter comes twice or has characters that it may not have")
        return self.values


def parse_pairs(text: bytes) -> Pairs:
    """A query or a body in application/x-www-form-urlencoded; raises OAuthError."""
    if len(text) > MAXIMUM_BYTES:
        raise invalid_request(f"the request has more than {MAXIMUM_BYTES} bytes")
    try:
        return tuple(
            parse_qsl(
                text.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MAXIMUM_PARAMETERS,
            )
        )
    except ValueError as error:
        raise invalid_request("the request is not a form in UTF-8, or too long a one") from error


def read_parameters(pairs: Pairs) -> Parameters:
    """Sorts the pairs; raises OAuthError (INVALID_REQUEST) if there are too many or too long."""
    if len(pairs) > MAXIMUM_PARAMETERS or any(
        len(name) > MAXIMUM_VALUE or len(value) > MAXIMUM_VALUE for name, value in pairs
    ):
        raise invalid_request(
            f"at most {MAXIMUM_PARAMETERS} parameters of at most {MAXIMUM_VALUE} characters"
        )
    counted = Counter(name for name, _ in pairs)
    broken = {name for name, count in counted.items() if count > 1}
    broken |= {
        name for name, value in pairs if name in RECOGNIZED and not _VISIBLE.fullmatch(value)
    }
    values = {
        name: value for name, value in pairs if value and name in RECOGNIZED and name not in broken
    }
    return Parameters(values, frozenset(broken))


def error_response(refusal: OAuthError) -> OAuthResponse:
    """The answer of RFC 6749, section 5.2."""
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
    }
    body = {"error": refusal.code.value, "error_description": refusal.description}
    if refusal.code is not ErrorCode.INVALID_CLIENT:
        return OAuthResponse(400, headers, body)
    return OAuthResponse(401, {**headers, "WWW-Authenticate": 'Basic realm="headrace"'}, body)
