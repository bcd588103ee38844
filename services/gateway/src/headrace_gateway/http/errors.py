"""The one error body, in OpenAI's shape, and the HTTP status of every kind of failure."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import orjson
from starlette.responses import Response

from headrace_common.errors import HeadraceError, Kind, Reason

STATUS_OF_KIND = MappingProxyType(
    {
        Kind.INVALID: 400,
        Kind.UNAUTHENTICATED: 401,
        Kind.FORBIDDEN: 403,
        Kind.NOT_FOUND: 404,
        Kind.NOT_ALLOWED: 405,
        Kind.CONFLICT: 409,
        Kind.TOO_LARGE: 413,
        Kind.TOO_SLOW: 408,
        Kind.LIMITED: 429,
        Kind.OVERLOADED: 503,
        Kind.UNAVAILABLE: 503,
        Kind.TIMEOUT: 504,
        Kind.CANCELLED: 499,
        Kind.INTERNAL: 500,
    }
)

TYPE_OF_KIND = MappingProxyType(
    {
        Kind.INVALID: "invalid_request_error",
        Kind.UNAUTHENTICATED: "invalid_request_error",
        Kind.FORBIDDEN: "invalid_request_error",
        Kind.NOT_FOUND: "invalid_request_error",
        Kind.NOT_ALLOWED: "invalid_request_error",
        Kind.CONFLICT: "invalid_request_error",
        Kind.TOO_LARGE: "invalid_request_error",
        Kind.TOO_SLOW: "invalid_request_error",
        Kind.LIMITED: "rate_limit_error",
    }
)
"""OpenAI's `type`; every kind that is not here is a `server_error`."""

INSUFFICIENT_QUOTA = "insufficient_quota"
"""OpenAI's `type` and `code` where money is the limit."""

CODE_OF_REASON = MappingProxyType(
    {
        Reason.INVALID_FIELD: "invalid_value",
        Reason.CREDENTIAL_MISSING: "invalid_api_key",
        Reason.CREDENTIAL_INVALID: "invalid_api_key",
        Reason.REQUEST_RATE_LIMITED: "rate_limit_exceeded",
        Reason.TOKEN_RATE_LIMITED: "rate_limit_exceeded",
        Reason.CONCURRENCY_LIMITED: "rate_limit_exceeded",
        Reason.BUDGET_EXHAUSTED: INSUFFICIENT_QUOTA,
        Reason.CONTENT_BLOCKED: "content_policy_violation",
    }
)
"""OpenAI's `code` where it has one; elsewhere our reason in lower case."""

TYPE_OF_REASON = MappingProxyType(
    {
        Reason.REQUEST_RATE_LIMITED: "requests",
        Reason.TOKEN_RATE_LIMITED: "tokens",
        Reason.BUDGET_EXHAUSTED: INSUFFICIENT_QUOTA,
    }
)
"""OpenAI's `type` where it is another than that of its kind."""

OURS_TO_RETRY = frozenset({Kind.OVERLOADED, Kind.UNAVAILABLE, Kind.TIMEOUT})
DEFAULT_RETRY_SECONDS = 1.0


class FieldError(HeadraceError):
    """A field of a body breaks a rule; `code` says what kind of rule, in OpenAI's words."""

    def __init__(self, message: str, *, param: str | None, code: str = "invalid_value") -> None:
        super().__init__(Reason.INVALID_FIELD, message, param=param)
        self.code = code


def internal_error() -> HeadraceError:
    """What callers hear of a fault of ours: nothing but that it was one."""
    return HeadraceError(Reason.INTERNAL, "Internal error.")


def status_of(error: HeadraceError | None) -> int:
    """The HTTP status of a request that ended so."""
    return STATUS_OF_KIND[error.kind] if error else 200


def error_body(error: HeadraceError, request_id: str) -> bytes:
    """The JSON body of a failed request."""
    return orjson.dumps(
        {
            "error": {
                "message": error.message,
                "type": _type_of(error),
                "param": error.param,
                "code": _code(error),
                "request_id": request_id,
            }
        }
    )


def _type_of(error: HeadraceError) -> str:
    kind = TYPE_OF_KIND.get(error.kind, "server_error")
    return TYPE_OF_REASON.get(error.reason, kind)


def _code(error: HeadraceError) -> str:
    if isinstance(error, FieldError):
        return error.code
    return CODE_OF_REASON.get(error.reason, error.reason.value.lower())


def error_response(
    error: HeadraceError, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The whole response, with Retry-After where trying again can help."""
    response = Response(
        error_body(error, request_id),
        status_code=status_of(error),
        media_type="application/json",
        headers=dict(headers or {}),
    )
    response.headers.update(retry_headers(error))
    if error.kind is Kind.UNAUTHENTICATED:
        response.headers["www-authenticate"] = "Bearer"
    return response


def retry_headers(error: HeadraceError) -> dict[str, str]:
    """Retry-After (RFC 9110, section 10.2.3), where trying again can help."""
    retry_after = error.retry_after_seconds
    if retry_after is None and error.kind in OURS_TO_RETRY:
        retry_after = DEFAULT_RETRY_SECONDS
    if retry_after is None:
        return {}
    return {"retry-after": str(max(1, math.ceil(retry_after)))}
