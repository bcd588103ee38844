"""What a remote server's refusals mean for our callers."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from headrace_common.errors import HeadraceError, Reason

MAXIMUM_TEXT = 300
MOST_WAIT_SECONDS = 3600.0
LEAST_WAIT_SECONDS = 1.0

TOO_LONG = re.compile(
    r"context.{0,9}(length|size|window)|exceed_context|maximum.{0,9}context", re.I
)
UNSUPPORTED = re.compile(r"unsupported|not supported|does not support|requires --", re.I)
OUR_NAMES = {"n": "choices", "max_completion_tokens": "max_tokens"}

OPERATORS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the remote refuses our API key (REMOTE_API_KEY)",
    HTTPStatus.FORBIDDEN: "the remote refuses our API key (REMOTE_API_KEY)",
    HTTPStatus.NOT_FOUND: "the remote knows no such path or model (REMOTE_URL, REMOTE_MODEL)",
}
"""What only who runs this service can mend."""


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, secret: str = ""
) -> HeadraceError:
    """The error that an answer with a status other than 200 stands for; `body` may be cut.

    Its text is passed on only where it is about the caller's own request, and without `secret`,
    which a server may quote.
    """
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        return _about_the_request(_error_object(body), secret)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return HeadraceError(Reason.REQUEST_TOO_LARGE, "too large for the model's server")
    wait = _retry_after(headers, now)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = "the model's server has too much to do"
        return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return not_serving(f"the model's server fails ({status})", wait)
    return HeadraceError(
        Reason.ENGINE_FAILED, OPERATORS.get(status, f"the remote answers {status}")
    )


def not_serving(message: str, wait: float = LEAST_WAIT_SECONDS) -> HeadraceError:
    """The remote has not begun with the request, so that another replica may."""
    return HeadraceError(Reason.NOT_SERVING, message, retry_after_seconds=wait)


def failed(what: str) -> HeadraceError:
    """The remote has begun, and then: what."""
    return HeadraceError(Reason.ENGINE_FAILED, f"the remote {what}")


def _about_the_request(error: Mapping[str, Any], secret: str) -> HeadraceError:
    names = ("message", "param", "code", "type")
    text, param, code, kind = (_words(error.get(name), secret) for name in names)
    marks = f"{text} {code} {kind}"
    message = f"the model's server refuses the request: {text or 'it does not say why'}"
    if TOO_LONG.search(marks):
        return HeadraceError(Reason.CONTEXT_LENGTH_EXCEEDED, message, param="prompt")
    reason = Reason.UNSUPPORTED_PARAMETER if UNSUPPORTED.search(marks) else Reason.INVALID_FIELD
    return HeadraceError(reason, message, param=OUR_NAMES.get(param, param) or None)


def _error_object(body: bytes) -> Mapping[str, Any]:
    """OpenAI's `{"error": {...}}`; some put its parts outside, or a text in its place."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict):
        return {}
    error = answer.get("error", answer)
    return error if isinstance(error, dict) else {"message": error}


def _words(value: object, secret: str) -> str:
    """One line of bounded length without `secret`; nothing for what is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return (line.replace(secret, "[key]") if secret else line)[:MAXIMUM_TEXT]


def _retry_after(headers: Mapping[str, str], now: datetime) -> float:
    """Seconds, or a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            seconds = LEAST_WAIT_SECONDS
    # in this order, since "nan" is a float too
    return min(max(LEAST_WAIT_SECONDS, seconds), MOST_WAIT_SECONDS)
