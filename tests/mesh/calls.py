"""Calls over gRPC as the processes of pods make them: to the ports where they find their proxy."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc
import httpx
from tests.mesh.layout import Layout

from headrace.inference.v1 import inference_pb2, inference_pb2_grpc
from headrace_common.grpc_client import create_channel

SECONDS = 20.0
GATEWAY = "headrace-gateway-0"
PAIR = "headrace-inference-pair"
GENERATE = "/headrace.inference.v1.InferenceService/Generate"
ACCESS_DENIED = "RBAC: access denied"
"""Envoy's own words, as opposed to a service's PERMISSION_DENIED."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def good(self) -> bool:
        return self.code is grpc.StatusCode.OK

    @property
    def denied(self) -> bool:
        return self.code is grpc.StatusCode.PERMISSION_DENIED and self.details == ACCESS_DENIED


@contextlib.asynccontextmanager
async def calling(layout: Layout, caller: str, service: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel from one pod to a Service."""
    async with create_channel(layout.door(caller, service)) as channel:
        yield channel


async def call(
    channel: grpc.aio.Channel, method: str, metadata: Mapping[str, str] = MappingProxyType({})
) -> Ended:
    """With an empty message, which every method answers somehow."""
    try:
        await channel.unary_unary(method)(b"", timeout=SECONDS, metadata=[*metadata.items()])
    except grpc.aio.AioRpcError as error:
        return _ended(error)
    return Ended()


@dataclass(frozen=True, slots=True)
class Model:
    """A model server as its callers see it."""

    channel: grpc.aio.Channel
    model: str

    def begin(self, prompt: str, request_id: str = "a-test", cohort: str = "") -> Any:
        """A stream to be read or cancelled by the test."""
        request = inference_pb2.GenerateRequest(
            request_id=request_id, model=self.model, organization_id="tests", prompt=prompt
        )
        stub = inference_pb2_grpc.InferenceServiceStub(self.channel)
        metadata = (("x-headrace-cohort", cohort),) if cohort else ()
        return stub.Generate(request, timeout=SECONDS, metadata=metadata)

    async def generate(self, prompt: str, request_id: str = "a-test", cohort: str = "") -> Ended:
        text = ""
        try:
            async for message in self.begin(prompt, request_id, cohort):
                text += message.delta.text
        except grpc.aio.AioRpcError as error:
            return _ended(error, text)
        return Ended(text=text)

    async def embed(self, cohort: str = "") -> Ended:
        """A unary call of a pod that runs no generation."""
        request = inference_pb2.EmbedRequest(
            request_id="a-test", model=self.model, organization_id="tests", texts=["one"]
        )
        stub = inference_pb2_grpc.InferenceServiceStub(self.channel)
        metadata = (("x-headrace-cohort", cohort),) if cohort else ()
        try:
            await stub.Embed(request, timeout=SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return _ended(error)
        return Ended()


def _ended(error: grpc.aio.AioRpcError, text: str = "") -> Ended:
    trailers = {
        key: value for key, value in error.trailing_metadata() or () if isinstance(value, str)
    }
    return Ended(error.code(), error.details() or "", trailers, text)


async def statistic(layout: Layout, pod: str, ending: str) -> int:
    """One of a pod's proxy's, or of the ingress's, by the end of its name; the sum if several."""
    url = f"http://{layout.administration(pod)}/stats"
    # Loading the usual authorities would hold up the caller's loop.
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        answer = await client.get(url, params={"filter": f"{re.escape(ending)}$"})
    lines = answer.text.splitlines()
    found = (line.rpartition(": ") for line in lines)
    values = [value for name, _, value in found if name.endswith(ending)]
    if not values:
        raise LookupError(f"{url} has nothing that ends with {ending}")
    return sum(map(int, values))
