"""The one exception that a Headrace service raises on purpose, and the reasons it can give.

HeadraceError
|  .reason   what went wrong, one of Reason (the names of headrace.common.v1.ErrorReason)
|  .kind     what that means for the caller, one of Kind; decides gRPC and HTTP status
|  .message  a sentence for the caller: no secrets, no SQL, no hostnames
|  .param    the request field that broke a rule, if one did
|  .retry_after_seconds   when trying again may help, if it may
'  .after_work   whether a part of the work had been done, which then counts

Domain code raises it; one interceptor turns it into a gRPC status, one HTTP module into a response.
"""

from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What a failure means for the caller."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    LIMITED = "limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class Reason(StrEnum):
    """Why a call was refused or failed; a contract test keeps it equal to the proto's list."""

    INVALID_FIELD = "INVALID_FIELD"
    UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"
    CONTEXT_LENGTH_EXCEEDED = "CONTEXT_LENGTH_EXCEEDED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    CONTENT_BLOCKED = "CONTENT_BLOCKED"
    CREDENTIAL_MISSING = "CREDENTIAL_MISSING"
    CREDENTIAL_INVALID = "CREDENTIAL_INVALID"
    LOGIN_FAILED = "LOGIN_FAILED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_RATE_LIMITED = "REQUEST_RATE_LIMITED"
    TOKEN_RATE_LIMITED = "TOKEN_RATE_LIMITED"  # noqa: S105 - not a password
    QUEUE_FULL = "QUEUE_FULL"
    NOT_SERVING = "NOT_SERVING"
    DEPENDENCY_UNAVAILABLE = "DEPENDENCY_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    ENGINE_FAILED = "ENGINE_FAILED"
    AUDIT_UNAVAILABLE = "AUDIT_UNAVAILABLE"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"
    REQUEST_TOO_SLOW = "REQUEST_TOO_SLOW"
    INTERRUPTED = "INTERRUPTED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    SECOND_FACTOR_REQUIRED = "SECOND_FACTOR_REQUIRED"
    LOGIN_THROTTLED = "LOGIN_THROTTLED"
    CONCURRENCY_LIMITED = "CONCURRENCY_LIMITED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    MODEL_NOT_PRICED = "MODEL_NOT_PRICED"


KIND_OF_REASON = MappingProxyType(
    {
        Reason.INVALID_FIELD: Kind.INVALID,
        Reason.UNSUPPORTED_PARAMETER: Kind.INVALID,
        Reason.CONTEXT_LENGTH_EXCEEDED: Kind.INVALID,
        Reason.REQUEST_TOO_LARGE: Kind.TOO_LARGE,
        Reason.CONTENT_BLOCKED: Kind.INVALID,
        Reason.CREDENTIAL_MISSING: Kind.UNAUTHENTICATED,
        Reason.CREDENTIAL_INVALID: Kind.UNAUTHENTICATED,
        Reason.LOGIN_FAILED: Kind.UNAUTHENTICATED,
        Reason.PERMISSION_DENIED: Kind.FORBIDDEN,
        Reason.RESOURCE_NOT_FOUND: Kind.NOT_FOUND,
        Reason.MODEL_NOT_FOUND: Kind.NOT_FOUND,
        Reason.METHOD_NOT_ALLOWED: Kind.NOT_ALLOWED,
        Reason.REQUEST_RATE_LIMITED: Kind.LIMITED,
        Reason.TOKEN_RATE_LIMITED: Kind.LIMITED,
        Reason.QUEUE_FULL: Kind.OVERLOADED,
        Reason.NOT_SERVING: Kind.UNAVAILABLE,
        Reason.DEPENDENCY_UNAVAILABLE: Kind.UNAVAILABLE,
        Reason.DEADLINE_EXCEEDED: Kind.TIMEOUT,
        Reason.ENGINE_FAILED: Kind.INTERNAL,
        Reason.AUDIT_UNAVAILABLE: Kind.UNAVAILABLE,
        Reason.CANCELLED: Kind.CANCELLED,
        Reason.INTERNAL: Kind.INTERNAL,
        Reason.REQUEST_TOO_SLOW: Kind.TOO_SLOW,
        Reason.INTERRUPTED: Kind.UNAVAILABLE,
        Reason.ALREADY_EXISTS: Kind.CONFLICT,
        Reason.SECOND_FACTOR_REQUIRED: Kind.UNAUTHENTICATED,
        Reason.LOGIN_THROTTLED: Kind.LIMITED,
        Reason.CONCURRENCY_LIMITED: Kind.LIMITED,
        Reason.BUDGET_EXHAUSTED: Kind.LIMITED,
        Reason.MODEL_NOT_PRICED: Kind.FORBIDDEN,
    }
)


class HeadraceError(Exception):
    """A call that was refused or failed for a known reason."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        param: str | None = None,
        retry_after_seconds: float | None = None,
        after_work: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        self.after_work = after_work

    @property
    def kind(self) -> Kind:
        return KIND_OF_REASON[self.reason]

    def rename_param(self, name: str) -> None:
        """Call the field by another name, as whoever hears of it knows it, in the message too."""
        self.message = self.message.replace(self.param or name, name, 1)
        self.param = name

    def __repr__(self) -> str:
        return f"HeadraceError({self.reason}, {self.message!r}, param={self.param!r})"


def credential_invalid() -> HeadraceError:
    """Malformed, unknown, expired, revoked and forged credentials all get this, to the letter."""
    return HeadraceError(
        Reason.CREDENTIAL_INVALID, "The credential is wrong, has expired or was revoked."
    )
