"""What is known of an error survives the wire."""

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import STATUS_OF_KIND, from_rpc_error, to_trailing_metadata


@pytest.mark.parametrize(
    "sent",
    [
        HeadraceError(Reason.QUEUE_FULL, "later", retry_after_seconds=1.5, after_work=True),
        HeadraceError(Reason.QUEUE_FULL, "later", retry_after_seconds=2),
        HeadraceError(Reason.INVALID_FIELD, "texts is empty", param="texts"),
    ],
)
def test_an_error_arrives_as_it_was_raised(sent: HeadraceError) -> None:
    status: grpc.StatusCode = STATUS_OF_KIND[sent.kind]
    trailing = Metadata(*to_trailing_metadata(sent))
    got = from_rpc_error(AioRpcError(status, Metadata(), trailing, sent.message), "inference")
    assert vars(got) == vars(sent)


def test_a_proxys_breaker_says_that_there_is_too_much_and_not_that_nobody_is_there() -> None:
    trailing = Metadata(("x-envoy-overloaded", "true"))
    told = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), trailing, "reset reason: overflow")
    error = from_rpc_error(told, "inference")
    assert (error.reason, error.retry_after_seconds) == (Reason.QUEUE_FULL, 1.0)
    assert error.message == "Too many requests for the inference service."


@pytest.mark.parametrize(
    ("status", "details", "reason"),
    [
        # What a proxy makes of an answer whose server was killed.
        (
            grpc.StatusCode.INTERNAL,
            "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))",
            Reason.DEPENDENCY_UNAVAILABLE,
        ),
        (grpc.StatusCode.INTERNAL, "cannot be decoded", Reason.INTERNAL),
        (grpc.StatusCode.UNAVAILABLE, "no healthy upstream", Reason.DEPENDENCY_UNAVAILABLE),
        (grpc.StatusCode.PERMISSION_DENIED, "RBAC: access denied", Reason.INTERNAL),
    ],
)
def test_what_a_proxy_says_by_itself_is_an_outage_or_a_fault_of_ours(
    status: grpc.StatusCode, details: str, reason: Reason
) -> None:
    got = from_rpc_error(AioRpcError(status, Metadata(), Metadata(), details), "inference")
    assert got.reason is reason
    assert details not in got.message
