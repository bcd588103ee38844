"""HeadraceError on the wire: gRPC status plus google.rpc.ErrorInfo, and back again."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from headrace_common.errors import HeadraceError, Kind, Reason

DOMAIN = "headrace"
DETAILS_KEY = "grpc-status-details-bin"
REASON_NAMES = frozenset(reason.value for reason in Reason)

STATUS_OF_KIND = MappingProxyType(
    {
        Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
        Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
        Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
        Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
        Kind.NOT_ALLOWED: grpc.StatusCode.UNIMPLEMENTED,
        Kind.CONFLICT: grpc.StatusCode.ALREADY_EXISTS,
        Kind.TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
        Kind.TOO_SLOW: grpc.StatusCode.DEADLINE_EXCEEDED,
        Kind.LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Kind.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
        Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
        Kind.CANCELLED: grpc.StatusCode.CANCELLED,
        Kind.INTERNAL: grpc.StatusCode.INTERNAL,
    }
)

REASON_OF_BARE_STATUS = MappingProxyType(
    {
        grpc.StatusCode.UNAVAILABLE: Reason.DEPENDENCY_UNAVAILABLE,
        # Our own deadline passed: to callers a peer that hangs is the same as one that is down.
        grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEPENDENCY_UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.QUEUE_FULL,
        # Our own cancellation arrives as asyncio.CancelledError; this one a proxy or peer made.
        grpc.StatusCode.CANCELLED: Reason.DEPENDENCY_UNAVAILABLE,
    }
)
"""What a status without ErrorInfo means: it came from the transport or a proxy, not a servicer."""

FAILURE_OF_BARE_STATUS = MappingProxyType(
    {
        grpc.StatusCode.UNAVAILABLE: "cannot be reached",
        grpc.StatusCode.DEADLINE_EXCEEDED: "did not answer in time",
        grpc.StatusCode.RESOURCE_EXHAUSTED: "has too much to do",
    }
)

OVERLOADED_KEY = "x-envoy-overloaded"
"""What Envoy adds to an UNAVAILABLE of its circuit breaker: the service itself may be fine."""
BREAKER_SECONDS = 1.0
"""When to come again then."""

TOO_LARGE = "message larger than max"
"""How gRPC says, in words only, that a message will never fit."""
BROKEN_OFF = "RST_STREAM"
"""And that a proxy has lost its peer in the middle of an answer, which is INTERNAL to gRPC."""


def to_trailing_metadata(error: HeadraceError) -> tuple[tuple[str, bytes], ...]:
    """The status details of an error, for `context.abort`."""
    metadata = {}
    if error.param is not None:
        metadata["param"] = error.param
    if error.retry_after_seconds is not None:
        metadata["retry_after_seconds"] = f"{error.retry_after_seconds:g}"
    if error.after_work:
        metadata["after_work"] = "true"
    packed = any_pb2.Any()
    packed.Pack(
        error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)
    )
    code: int = STATUS_OF_KIND[error.kind].value[0]
    status = status_pb2.Status(code=code, message=error.message, details=[packed])
    return ((DETAILS_KEY, status.SerializeToString()),)


def from_rpc_error(error: grpc.aio.AioRpcError, service: str) -> HeadraceError:
    """The HeadraceError that the other side raised, or what a transport failure amounts to.

    `service` is the noun in messages about transport failures, for example "auth".
    """
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN and info.reason in REASON_NAMES:
                    return _from_info(info, status.message)
    if any(key == OVERLOADED_KEY for key, _ in error.trailing_metadata() or ()):
        message = f"Too many requests for the {service} service."
        return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=BREAKER_SECONDS)
    if TOO_LARGE in (error.details() or ""):
        return HeadraceError(Reason.REQUEST_TOO_LARGE, f"Too large for the {service} service.")
    if error.code() is grpc.StatusCode.INTERNAL and BROKEN_OFF in (error.details() or ""):
        failure = f"The {service} service broke off in the middle of its answer."
        return HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, failure)
    reason = REASON_OF_BARE_STATUS.get(error.code(), Reason.INTERNAL)
    failure = FAILURE_OF_BARE_STATUS.get(error.code(), "did not answer as expected")
    return HeadraceError(reason, f"The {service} service {failure}.")


@contextmanager
def translate_rpc_errors(service: str) -> Iterator[None]:
    """Raise HeadraceError instead of gRPC's own error inside the block."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, service) from error


def _from_info(info: error_details_pb2.ErrorInfo, message: str) -> HeadraceError:
    retry_after = info.metadata.get("retry_after_seconds")
    return HeadraceError(
        Reason(info.reason),
        message,
        param=info.metadata.get("param"),
        retry_after_seconds=float(retry_after) if retry_after else None,
        after_work=info.metadata.get("after_work") == "true",
    )
