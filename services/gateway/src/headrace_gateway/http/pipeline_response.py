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
from headrace_gateway.running import RunningExchanges


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a client; in seconds."""

    write_seconds: float
    heartbeat_seconds: float


class ClientGoneError(Exception):
    """The client does not read its answer."""


class PipelineResponse(Response, ABC):
    """Runs the pipeline in a task of its own, and stops it when it is of no use any more.

    Watchers run beside it: one notices a client that hangs up, and subclasses have more. The end
    of any of them cancels the task, which closes everything from the edge to the engine's slot.
    """

    def __init__(self, exchange: Exchange, patience: Patience, running: RunningExchanges) -> None:
        """`running` is who stops it when the process must end."""
        super().__init__()
        self.exchange = exchange
        self.body_read = asyncio.Event()
        """To be set once the body is read; until then whoever reads it notices who leaves."""
        self.patience = patience
        self._running = running
        self._tasks: list[asyncio.Task[None]] = []
        """The work itself, and after it its watchers."""
        self.started = False
        self.last_write = 0.0
        self.writing = False
        """Whether the client has yet to take something."""

    @abstractmethod
    async def run(self, send: Send) -> None:
        """Have the pipeline answer, and write it; raises HeadraceError."""

    def watch(self, watcher: Coroutine[Any, Any, None]) -> None:
        """Run it until the work is done; when it ends by itself, the work is to end."""
        task, work = asyncio.create_task(watcher), self._tasks[0]
        task.add_done_callback(lambda _: work.cancel())
        self._tasks.append(task)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._answer(scope, receive, send))
        self._tasks.append(work)
        self.watch(self._until_disconnect(receive))
        try:
            await asyncio.wait([work])
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            # What a task ended with knows this response, and so a body: no circle may keep it.
            self._tasks.clear()
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._running.run(self.exchange):
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
        self.writing = True
        try:
            async with asyncio.timeout(self.patience.write_seconds):
                await send(message)
        except TimeoutError as error:
            raise ClientGoneError from error
        self.writing = False
        self.last_write = asyncio.get_running_loop().time()
