"""CompletionService over gRPC: converts, makes one call of the pipeline, converts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_interceptors import REQUEST_ID_KEY
from headrace_common.grpc_server import Registration
from headrace_common.logs import get_logger
from headrace_gateway.domain.completion import MODEL_CHARACTERS, CompletionRequest, Started
from headrace_gateway.domain.embedding import EmbeddingRequest
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.domain.trace import TRACE_HEADER
from headrace_gateway.grpc import answers, requests
from headrace_gateway.grpc.exchanges import SERVICE, open_exchange
from headrace_gateway.grpc.peers import Peers
from headrace_gateway.grpc.room import Room
from headrace_gateway.pipeline import Pipeline
from headrace_gateway.running import RunningExchanges

Tell = Callable[[Exchange], Mapping[str, str]]
"""What a caller is told beside the answer, under the names that HTTP's headers have."""


@dataclass(frozen=True, slots=True)
class GrpcDoor:
    """The pipeline and what the gRPC side needs beside it."""

    pipeline: Pipeline
    clock: Clock
    peers: Peers
    room: Room
    tell: Tell
    write_seconds: float
    """How long one write may wait for a caller that does not read."""
    running: RunningExchanges = field(default_factory=RunningExchanges)


class CompletionServicer(gateway_pb2_grpc.CompletionServiceServicer):
    """The proto's CompletionService."""

    def __init__(self, door: GrpcDoor) -> None:
        self.door = door

    async def Complete(  # noqa: N802 - the proto's name
        self, request: pb.CompleteRequest, context: Any
    ) -> None:
        """Writes instead of yielding, so that each write has a deadline."""
        async with self._call(context, Activity.COMPLETION, "Complete") as call:
            call.exchange.streamed = True

            async def read() -> CompletionRequest:
                call.hold(request)
                call.exchange.end_user = request.end_user
                return requests.completion_request(request)

            events = self.door.pipeline.complete(call.exchange, read)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Started):
                        await call.begin()
                    await call.write(answers.complete_response(event))

    async def Embed(  # noqa: N802 - the proto's name
        self, request: pb.EmbedRequest, context: Any
    ) -> pb.EmbedResponse:
        async with self._call(context, Activity.EMBEDDING, "Embed") as call:

            async def read() -> EmbeddingRequest:
                call.hold(request)
                call.exchange.end_user = request.end_user
                return requests.embedding_request(request)

            embeddings = await self.door.pipeline.embed(call.exchange, read)
            await call.begin()
        return answers.embed_response(embeddings)

    async def ListModels(  # noqa: N802 - the proto's name
        self, _request: pb.ListModelsRequest, context: Any
    ) -> pb.ListModelsResponse:
        async with self._call(context, Activity.MODEL_LIST, "ListModels") as call:
            cards = await self.door.pipeline.list_models(call.exchange)
            await call.begin()
        return pb.ListModelsResponse(models=map(answers.model, cards))

    async def GetModel(  # noqa: N802 - the proto's name
        self, request: pb.GetModelRequest, context: Any
    ) -> pb.GetModelResponse:
        async with self._call(context, Activity.MODEL_LIST, "GetModel") as call:
            # The refusal quotes the name; no model has one that is longer than may be asked for.
            name = request.model[: MODEL_CHARACTERS + 1]
            card = await self.door.pipeline.find_model(call.exchange, name)
            await call.begin()
        return pb.GetModelResponse(model=answers.model(card))

    def registration(self) -> Registration:
        """How to add this servicer to a server; the pipeline itself logs what went well."""
        return Registration(
            SERVICE,
            gateway_pb2_grpc.add_CompletionServiceServicer_to_server,
            self,
            polled=("Complete", "Embed", "ListModels", "GetModel"),
        )

    @asynccontextmanager
    async def _call(self, context: Any, activity: Activity, method: str) -> AsyncIterator["Call"]:
        """One call with its exchange; how it ends goes into the trailing metadata."""
        door = self.door
        exchange = open_exchange(context, activity, method, door.clock, door.peers)
        with ExitStack() as held:
            call = Call(exchange, context, door, held)
            try:
                async with door.running.run(exchange):
                    yield call
            except BaseException as error:
                if isinstance(error, HeadraceError) and error.param is not None:
                    error.rename_param(requests.field_name(error.param))
                call.tell_at_the_end(everything=True)
                raise
            call.tell_at_the_end(everything=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the service, and what it holds until its end."""

    exchange: Exchange
    context: Any
    door: GrpcDoor
    held: ExitStack

    def hold(self, request: Message) -> None:
        """Take room for the request, once it is known whose it is; raises QUEUE_FULL."""
        if self.exchange.principal is None:
            raise RuntimeError("requests are read once it is known whose they are")
        owner = self.exchange.principal.organization_id
        self.held.enter_context(self.door.room.taken(owner, request.ByteSize()))

    async def begin(self) -> None:
        """Send the initial metadata; the trace waits for the end."""
        told = {**self._told(), TRACE_HEADER: None}
        await self.context.send_initial_metadata(_metadata(told))

    async def write(self, response: pb.CompleteResponse) -> None:
        """Send a message; raises CANCELLED for a caller that does not take it."""
        try:
            async with asyncio.timeout(self.door.write_seconds):
                await self.context.write(response)
        except TimeoutError:
            request_id = self.exchange.request_id
            get_logger().warning("client_does_not_read", request_id=request_id)
            raise HeadraceError(Reason.CANCELLED, "The answer was not read.") from None

    def tell_at_the_end(self, *, everything: bool) -> None:
        """Set the trailing metadata: the trace, if there is one, or all that is told."""
        told = self._told()
        told = told if everything else {TRACE_HEADER: told.get(TRACE_HEADER)}
        self.context.set_trailing_metadata(_metadata(told))

    def _told(self) -> Mapping[str, str | None]:
        return {REQUEST_ID_KEY: self.exchange.request_id, **self.door.tell(self.exchange)}


def _metadata(told: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in told.items() if value is not None)
