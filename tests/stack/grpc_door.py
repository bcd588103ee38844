"""A gateway over memory behind its gRPC front door, and a caller of it on a real channel."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace_common.errors import HeadraceError
from headrace_common.grpc_errors import from_rpc_error
from headrace_common.testing.grpc import serving
from headrace_gateway.ports import InferenceTarget
from headrace_gateway.testing.gateway import KEY, Gateway, running_gateway

SECONDS = 60.0
Metadata = Sequence[tuple[str, str]]
BEARER: Metadata = (("authorization", f"Bearer {KEY}"),)


@dataclass(slots=True)
class Answered:
    """All that a call brought."""

    messages: list[Any] = field(default_factory=list)
    error: HeadraceError | None = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    told: dict[str, str] = field(default_factory=dict)
    """Initial and trailing metadata together."""

    @property
    def text(self) -> str:
        """Of the first choice."""
        deltas = [each.delta for each in self.messages if each.WhichOneof("event") == "delta"]
        return "".join(delta.text for delta in deltas if delta.choice == 0)

    @property
    def finished(self) -> pb.Finished:
        found: pb.Finished = self.messages[-1].finished
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls the service as whoever the metadata tell."""

    stub: Any

    def begin(self, request: pb.CompleteRequest, metadata: Metadata = BEARER) -> Any:
        """A call to be read or cancelled by the test."""
        return self.stub.Complete(request, metadata=metadata, timeout=SECONDS)

    async def complete(self, request: pb.CompleteRequest, metadata: Metadata = BEARER) -> Answered:
        call = self.begin(request, metadata)
        answered = Answered()
        try:
            async for message in call:
                answered.messages.append(message)
        except grpc.aio.AioRpcError as error:
            _note_error(answered, error)
        await _note_metadata(answered, call)
        return answered

    async def call(self, method: str, request: Any, metadata: Metadata = BEARER) -> Answered:
        """One of the others."""
        call = getattr(self.stub, method)(request, metadata=metadata, timeout=SECONDS)
        answered = Answered()
        try:
            answered.messages.append(await call)
        except grpc.aio.AioRpcError as error:
            _note_error(answered, error)
        await _note_metadata(answered, call)
        return answered


@asynccontextmanager
async def grpc_gateway(
    target: InferenceTarget | None = None, **settings: Any
) -> AsyncIterator[tuple[Gateway, Caller]]:
    """Serves the model `echo` to the holder of KEY."""
    async with (
        running_gateway(target, **settings) as gateway,
        serving([gateway.servicer.registration()]) as channel,
    ):
        yield gateway, Caller(gateway_pb2_grpc.CompletionServiceStub(channel))


def chat(text: str = "one two three", **sampling: Any) -> pb.CompleteRequest:
    """A conversation of one message."""
    return pb.CompleteRequest(
        model="echo",
        conversation=pb.Conversation(messages=[pb.Message(role=pb.ROLE_USER, content=text)]),
        sampling=pb.Sampling(**sampling),
    )


def _note_error(answered: Answered, error: grpc.aio.AioRpcError) -> None:
    answered.error, answered.code = from_rpc_error(error, "gateway"), error.code()


async def _note_metadata(answered: Answered, call: Any) -> None:
    for metadata in (await call.initial_metadata(), await call.trailing_metadata()):
        answered.told |= {key: value for key, value in metadata or () if isinstance(value, str)}
