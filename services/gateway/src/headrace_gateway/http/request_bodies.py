"""Bounds request bodies as they arrive: each in bytes and seconds, all together in bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope

from headrace_common.errors import HeadraceError, Reason


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """What one body, and all bodies together, may take."""

    bytes_each: int
    bytes_in_flight: int
    """Of all requests that are not answered yet: a prompt stays in memory until then."""
    seconds: float


class RequestBodies:
    """All the bodies that are read or stay in memory."""

    def __init__(self, bounds: BodyBounds) -> None:
        self.bounds = bounds
        self.bytes_in_flight = 0

    @contextmanager
    def bounded(self, scope: Scope, receive: Receive) -> Iterator[Receive]:
        """`receive` within the bounds; what it brings counts until the block ends.

        Raises REQUEST_TOO_LARGE at once if the body is announced to be, and from `receive`
        REQUEST_TOO_LARGE, REQUEST_TOO_SLOW, or QUEUE_FULL when all bodies take too much.
        """
        body = _Body(self, receive, _announced(scope))
        try:
            yield body.receive
        finally:
            self.bytes_in_flight -= body.held


class _Body:
    """Counts what arrives, for a chunked body announces no length.

    A length that is announced counts before anything is read: of many bodies that come at once,
    as many as there is room for arrive, instead of a part of each.
    """

    def __init__(self, bodies: RequestBodies, receive: Receive, announced: int) -> None:
        self._bodies = bodies
        self._bounds = bodies.bounds
        self._receive = receive
        self._announced = announced
        self._received = 0
        self._complete = False
        self._deadline = asyncio.get_running_loop().time() + self._bounds.seconds
        self.held = 0
        self._check_size(announced)

    async def receive(self) -> Message:
        self._hold(self._announced)
        try:
            async with asyncio.timeout_at(None if self._complete else self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise self._too_slow() from error
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            self._check_size(self._received)
            self._hold(self._received)
        return message

    def _hold(self, size: int) -> None:
        more = size - self.held
        if more <= 0:
            return
        if self._bodies.bytes_in_flight + more > self._bounds.bytes_in_flight:
            raise HeadraceError(
                Reason.QUEUE_FULL,
                "The requests in flight take too much memory.",
                retry_after_seconds=1,
            )
        self._bodies.bytes_in_flight += more
        self.held = size

    def _check_size(self, size: int) -> None:
        limit = self._bounds.bytes_each
        if size > limit:
            raise HeadraceError(
                Reason.REQUEST_TOO_LARGE, f"The request body is larger than {limit} bytes."
            )

    def _too_slow(self) -> HeadraceError:
        seconds = self._bounds.seconds
        return HeadraceError(
            Reason.REQUEST_TOO_SLOW, f"The request body did not arrive within {seconds:g} seconds."
        )


def _announced(scope: Scope) -> int:
    """The body's length as the client tells it, or 0."""
    return max(
        (int(value) for name, value in scope["headers"] if name == b"content-length"), default=0
    )
