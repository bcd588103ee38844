"""Errors travel whole: every reason has its proto name, its gRPC status and its way back."""

import grpc
import pytest

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace.common.v1 import error_reason_pb2
from headrace_common.errors import KIND_OF_REASON, HeadraceError, Kind, Reason
from headrace_common.grpc_errors import STATUS_OF_KIND, translate_rpc_errors
from headrace_common.grpc_server import Registration
from headrace_common.testing.grpc import serving
from headrace_gateway.http.errors import STATUS_OF_KIND as HTTP_STATUS_OF_KIND


class Raising(cache_pb2_grpc.CacheServiceServicer):
    """Raises what the test tells it to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def Lookup(self, request: object, context: object) -> cache_pb2.LookupResponse:
        raise self._error


async def _raise_through_grpc(error: Exception) -> HeadraceError:
    registration = Registration(
        "headrace.cache.v1.CacheService",
        cache_pb2_grpc.add_CacheServiceServicer_to_server,
        Raising(error),
    )
    async with serving([registration]) as channel:
        stub = cache_pb2_grpc.CacheServiceStub(channel)
        with pytest.raises(HeadraceError) as caught, translate_rpc_errors("cache"):
            await stub.Lookup(cache_pb2.LookupRequest(), timeout=5)
        return caught.value


def test_python_and_proto_name_the_same_reasons() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118 - no dict
    assert {reason.value for reason in Reason} == names - {"UNSPECIFIED"}


def test_every_reason_has_a_kind_and_every_kind_both_statuses() -> None:
    assert set(KIND_OF_REASON) == set(Reason)
    assert set(STATUS_OF_KIND) == set(Kind)
    assert set(HTTP_STATUS_OF_KIND) == set(Kind)


@pytest.mark.parametrize("reason", Reason)
async def test_an_error_arrives_as_it_was_raised(reason: Reason) -> None:
    error = HeadraceError(reason, "The sentence.", param="field", retry_after_seconds=1.5)
    arrived = await _raise_through_grpc(error)
    assert (arrived.reason, arrived.message) == (reason, "The sentence.")
    assert (arrived.param, arrived.retry_after_seconds) == ("field", 1.5)


async def test_an_unexpected_error_tells_nothing_of_itself() -> None:
    arrived = await _raise_through_grpc(ValueError("the password is hunter2"))
    assert (arrived.reason, arrived.message) == (Reason.INTERNAL, "internal error")


async def test_a_peer_that_is_not_there_is_unavailable() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        stub = cache_pb2_grpc.CacheServiceStub(channel)
        with pytest.raises(HeadraceError) as caught, translate_rpc_errors("cache"):
            await stub.Lookup(cache_pb2.LookupRequest(), timeout=5)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE
    assert "127.0.0.1" not in caught.value.message
