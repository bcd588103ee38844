"""The response of both completion endpoints: whole or streamed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from headrace_common.errors import HeadraceError
from headrace_gateway.domain.completion import AnswerBuilder, CompletionRequest, Delta, Finished
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.trace import trace_of
from headrace_gateway.http.bodies import read_model_body
from headrace_gateway.http.errors import error_body
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.openai_answers import AnswerWriter
from headrace_gateway.http.pipeline_response import ClientGoneError, Patience, PipelineResponse
from headrace_gateway.pipeline import Pipeline
from headrace_gateway.running import RunningExchanges

HEARTBEAT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a body asks for: the request, and how its answer is to be written."""

    request: CompletionRequest
    stream: bool
    writer: AnswerWriter
    names: Mapping[str, str]
    """What callers call parameters that the pipeline has other names for."""
    end_user: str = ""


class CompletionResponse(PipelineResponse):
    """A stream's silence is filled with comments, by a watcher that notices who does not read."""

    def __init__(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        read_body: Callable[[], Awaitable[bytes]],
        parse: Callable[[bytes], Parsed],
        patience: Patience,
        running: RunningExchanges,
    ) -> None:
        super().__init__(exchange, patience, running)
        self._pipeline = pipeline
        self._read_body = read_body
        self._parse = parse
        self._parsed: Parsed | None = None
        self._streaming = False

    async def run(self, send: Send) -> None:
        events = self._pipeline.complete(self.exchange, self._request)
        built = AnswerBuilder()
        body = b""
        async with aclosing(events):
            async for event in events:
                parsed = self._understood()
                if parsed.stream:
                    await self._start_stream(send)
                    await self.write(send, parsed.writer.chunks(event))
                elif isinstance(event, Delta):
                    built.add(event)
                elif isinstance(event, Finished):
                    answer = built.finish(event)
                    body = parsed.writer.body(answer, event.signature, event.cut_by)
        # Only here, when the pipeline has settled and recorded, does the answer count as given.
        if self.started:
            await self.write(send, self._trace() + DONE, more=False)
        else:
            await self.write_document(send, body)

    async def fail(self, error: HeadraceError, scope: Scope, receive: Receive, send: Send) -> None:
        names = self._parsed.names if self._parsed else {}
        if error.param is not None and error.param in names:
            error.rename_param(names[error.param])
        await super().fail(error, scope, receive, send)
        if self._streaming:
            event = b"data: " + error_body(error, self.exchange.request_id) + b"\n\n"
            try:
                await self.write(send, self._trace() + event, more=False)
            except ClientGoneError:
                self.note_client_gone()

    def _trace(self) -> bytes:
        """A chunk of its own, for the head of a stream leaves before there is anything to tell."""
        trace = trace_of(self.exchange)
        return b"" if trace is None else self._understood().writer.trace(trace)

    async def _request(self) -> CompletionRequest:
        raw = await self._read_body()
        self.body_read.set()
        self._parsed = self._parse(raw)
        self.exchange.streamed = self._parsed.stream
        self.exchange.end_user = self._parsed.end_user
        return self._parsed.request

    def _understood(self) -> Parsed:
        if self._parsed is None:
            raise RuntimeError("the pipeline answered before it parsed the request")
        return self._parsed

    async def _keep_alive(self, send: Send) -> None:
        """Keep proxies' idle timers quiet while nothing is ready; ends if nobody reads.

        What waits to be taken is no silence, and may be the end, after which nothing may come.
        """
        interval = self.patience.heartbeat_seconds
        loop = asyncio.get_running_loop()
        while True:
            quiet = 0.0 if self.writing else loop.time() - self.last_write
            if quiet >= interval:
                try:
                    await self.write(send, HEARTBEAT)
                except ClientGoneError:
                    return
                quiet = 0
            await asyncio.sleep(interval - quiet)

    async def _start_stream(self, send: Send) -> None:
        if not self.started:
            await self.start(send, "text/event-stream; charset=utf-8")
            self._streaming = True
            self.watch(self._keep_alive(send))


def respond(
    door: FrontDoor, request: Request, exchange: Exchange, parse: Callable[[bytes], Parsed]
) -> CompletionResponse:
    """The answer to a request whose body `parse` understands."""
    return CompletionResponse(
        door.pipeline,
        exchange,
        partial(read_model_body, request, exchange),
        parse,
        door.patience,
        door.readiness.running,
    )
