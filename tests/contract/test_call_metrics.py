"""How calls are counted: by the code that they ended with, a caller's leaving included."""

import asyncio
from collections.abc import AsyncIterator

import grpc
from prometheus_client import CollectorRegistry

from headrace.inference.v1 import inference_pb2, inference_pb2_grpc
from headrace_common.grpc_server import Registration
from headrace_common.testing.grpc import serving

METHOD = "/headrace.inference.v1.InferenceService/Generate"


class Endless(inference_pb2_grpc.InferenceServiceServicer):
    """Says that it started, then nothing until it is stopped."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def Generate(
        self, request: object, context: object
    ) -> AsyncIterator[inference_pb2.GenerateResponse]:
        try:
            yield inference_pb2.GenerateResponse(started=inference_pb2.Started())
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_a_stream_whose_caller_leaves_is_counted_as_cancelled() -> None:
    servicer, registry = Endless(), CollectorRegistry()
    registration = Registration(
        "headrace.inference.v1.InferenceService",
        inference_pb2_grpc.add_InferenceServiceServicer_to_server,
        servicer,
    )

    def handled(code: str) -> float | None:
        labels = {"method": METHOD, "code": code}
        return registry.get_sample_value("grpc_server_handled_total", labels)

    async with serving([registration], registry=registry) as channel:
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call = stub.Generate(inference_pb2.GenerateRequest(), timeout=30)
        assert await call.read() != grpc.aio.EOF
        assert registry.get_sample_value("grpc_server_in_flight", {"method": METHOD}) == 1
        call.cancel()
        async with asyncio.timeout(5):
            await servicer.ended.wait()
    assert registry.get_sample_value("grpc_server_in_flight", {"method": METHOD}) == 0
    assert handled("CANCELLED") == 1
    assert handled("OK") is None
