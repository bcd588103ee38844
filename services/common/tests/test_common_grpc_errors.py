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
