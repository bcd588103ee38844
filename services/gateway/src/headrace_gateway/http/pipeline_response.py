"""Runs the pipeline as an ASGI response, and stops it when the caller leaves."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.http.errors import error_response, internal_error
from headrace_gateway.http.exchanges import answer_headers


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a client; in seconds."""

    write_seconds: float
    heartbeat_seconds: float


class ClientGoneError(Exception):
    """The client does not read its answer."""


class PipelineResponse(Response, ABC):
    """Runs the pipeline in a task of its own, and stops it when it is of no use any more.

    Watchers run beside it: one notices a client that hangs up, one that the process must end, and
    subclasses have more. Any of them cancels the task, which closes everything from the edge to the
    engine's slot.
    """

    def __init__(self, exchange: Exchange, patience: Patience, out_of_time: asyncio.Event) -> None:
        """`out_of_time` is set when an answer that still runs must end."""
        super().__init__()
        self.exchange = exchange
        self.body_read = asyncio.Event()
        """To be set once the body is read; until then whoever reads it notices who leaves."""
        self.patience = patience
        self._out_of_time = out_of_time
        self.started = False
        self.last_write = 0.0

    @abstractmethod
    async def run(self, send: Send) -> None:
        """Have the pipeline answer, and write it; raises HeadraceError."""

    def watchers(
        self,
        receive: Receive,
        send: Send,  # noqa: ARG002 - for subclasses
    ) -> list[Coroutine[Any, Any, None]]:
        """What ends when the work is to end."""
        return [self._until_disconnect(receive), self._until_out_of_time()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._answer(scope, receive, send))
        watchers = [asyncio.create_task(watcher) for watcher in self.watchers(receive, send)]
        try:
            await asyncio.wait([work, *watchers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, *watchers):
                task.cancel()
            await asyncio.wait([work, *watchers])
        if work.cancelled() and self.exchange.stopped_by is not None:
            await self.fail(self.exchange.stopped_by, scope, receive, send)
        elif not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.run(send)
        except HeadraceError as error:
            await self.fail(error, scope, receive, send)
        except ClientGoneError:
            self.note_client_gone()
        except Exception as error:  # noqa: BLE001 - the caller must hear that it failed
            request_id = self.exchange.request_id
            get_logger().error("unexpected_error", request_id=request_id, exc_info=error)
            await self.fail(internal_error(), scope, receive, send)

    async def fail(self, error: HeadraceError, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the caller, as long as nothing of an answer has been said."""
        if not self.started:
            headers = answer_headers(self.exchange)
            response = error_response(error, self.exchange.request_id, headers)
            await response(scope, receive, send)

    def note_client_gone(self) -> None:
        """For the log: there is nobody to tell."""
        get_logger().warning("client_does_not_read", request_id=self.exchange.request_id)

    async def _until_disconnect(self, receive: Receive) -> None:
        """Until the body is read, whoever reads it notices a client that leaves."""
        await self.body_read.wait()
        while (await receive())["type"] != "http.disconnect":
            continue

    async def _until_out_of_time(self) -> None:
        await self._out_of_time.wait()
        self.exchange.run_out_of_time()

    async def write_document(self, send: Send, body: bytes) -> None:
        """A whole answer at once."""
        await self.start(send, "application/json", length=len(body))
        await self.write(send, body, more=False)

    async def start(self, send: Send, media_type: str, length: int | None = None) -> None:
        """Send status and headers."""
        self.started = True
        headers = {"content-type": media_type, **answer_headers(self.exchange)}
        if length is not None:
            headers["content-length"] = str(length)
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": encoded})

    async def write(self, send: Send, body: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; raises ClientGoneError if the client does not take it."""
        if body or not more:
            await self._send(send, {"type": "http.response.body", "body": body, "more_body": more})

    async def _send(self, send: Send, message: Message) -> None:
        try:
            async with asyncio.timeout(self.patience.write_seconds):
                await send(message)
        except TimeoutError as error:
            raise ClientGoneError from error
        self.last_write = asyncio.get_running_loop().time()
