"""Bounds request bodies as they arrive: each in bytes and seconds, all together in bytes.

No organisation takes more than its share of the room, so that one which sends half a body and waits
harms itself alone.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Message, Receive, Scope

from headrace_common.errors import HeadraceError, Reason

ACCOUNT_PREFIXES = ("/api/", "/oauth2/")
MODEL_PREFIX = "/api/v1/llm/"
ACCOUNT_BODY_BYTES = 64 * 1024
ACCOUNT_BODY_SECONDS = 5.0
"""Of logins and administration: small, and strangers send them, too."""
REST_BYTES = 64 * 1024
REST_SECONDS = 0.5
"""Of a body that nobody needs any more, before it is refused."""
LENGTH_DIGITS = 20


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """What one body, one organisation, and all together may take."""

    bytes_each: int
    bytes_in_flight: int
    """Of all requests that are not answered yet: a prompt stays in memory until then."""
    seconds: float
    requests_in_flight: int
    share: float
    """Part of `bytes_in_flight` and `requests_in_flight` that one organisation may take."""

    def of_one(self, path: str) -> tuple[int, float]:
        """Bytes and seconds of a body that is sent to `path`."""
        if path.startswith(ACCOUNT_PREFIXES) and not path.startswith(MODEL_PREFIX):
            return min(self.bytes_each, ACCOUNT_BODY_BYTES), min(self.seconds, ACCOUNT_BODY_SECONDS)
        return self.bytes_each, self.seconds


class RequestBodies:
    """All the bodies that are read or stay in memory."""

    def __init__(self, bounds: BodyBounds) -> None:
        self.bounds = bounds
        self.bytes_in_flight = 0
        self.bytes_of: Counter[str] = Counter()
        self.requests_of: Counter[str] = Counter()

    @contextmanager
    def bounded(self, scope: Scope, receive: Receive) -> Iterator[Receive]:
        """`receive` within the bounds; what it brings counts until the block ends.

        Raises REQUEST_TOO_LARGE at once if the body is announced to be, and from `receive`
        REQUEST_TOO_LARGE, REQUEST_TOO_SLOW, or QUEUE_FULL when there is no room.
        """
        body = RequestBody(self, scope, receive)
        scope["state"]["body"] = body
        try:
            yield body.receive
        finally:
            body.release()


class RequestBody:
    """Counts what arrives, for a chunked body announces no length.

    A length that is announced counts before anything is read: of many bodies that come at once,
    as many as there is room for arrive, instead of a part of each.
    """

    def __init__(self, bodies: RequestBodies, scope: Scope, receive: Receive) -> None:
        self._bodies = bodies
        self._bytes, self._seconds = bodies.bounds.of_one(scope["path"])
        self._receive = receive
        self._announced = _announced(scope)
        self._received = 0
        self._complete = False
        self._deadline = asyncio.get_running_loop().time() + self._seconds
        self._owner = ""
        self._held = 0
        self._check_size(self._announced)

    def belongs_to(self, organization_id: str) -> None:
        """From now on it counts towards an organisation's share; raises QUEUE_FULL if that is used.

        Call it once, before the body is read.
        """
        bounds, requests_of = self._bodies.bounds, self._bodies.requests_of
        if requests_of[organization_id] >= bounds.share * bounds.requests_in_flight:
            raise _full("This organization has too many requests in flight.")
        self._owner = organization_id
        requests_of[organization_id] += 1

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

    async def take_rest(self) -> None:
        """Drop what is still to come of a small body, which costs a refusal little.

        What is refused while a body is on its way is reset over HTTP/2, after the answer, without
        an error (RFC 9113, 8.1); curl 7.88 and others then lose the answer as well.
        """
        if self._announced > REST_BYTES:
            return
        deadline = min(self._deadline, asyncio.get_running_loop().time() + REST_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not self._complete and self._received <= REST_BYTES:
                    message = await self._receive()
                    self._received += len(message.get("body", b""))
                    self._complete = not message.get("more_body", False)

    def release(self) -> None:
        """Give back what it took."""
        bodies = self._bodies
        bodies.bytes_in_flight -= self._held
        if self._owner:
            _less(bodies.bytes_of, self._owner, self._held)
            _less(bodies.requests_of, self._owner, 1)

    def _hold(self, size: int) -> None:
        more = size - self._held
        if more <= 0:
            return
        bodies, bounds = self._bodies, self._bodies.bounds
        if bodies.bytes_in_flight + more > bounds.bytes_in_flight:
            raise _full("The requests in flight take too much memory.")
        if self._owner:
            if bodies.bytes_of[self._owner] + more > bounds.share * bounds.bytes_in_flight:
                raise _full("This organization's requests in flight take too much memory.")
            bodies.bytes_of[self._owner] += more
        bodies.bytes_in_flight += more
        self._held = size

    def _check_size(self, size: int) -> None:
        if size > self._bytes:
            raise HeadraceError(
                Reason.REQUEST_TOO_LARGE, f"The request body is larger than {self._bytes} bytes."
            )

    def _too_slow(self) -> HeadraceError:
        return HeadraceError(
            Reason.REQUEST_TOO_SLOW,
            f"The request body did not arrive within {self._seconds:g} seconds.",
        )


def _full(message: str) -> HeadraceError:
    return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=1)


def _less(counts: Counter[str], owner: str, amount: int) -> None:
    counts[owner] -= amount
    if not counts[owner]:
        del counts[owner]


def _announced(scope: Scope) -> int:
    """The body's length as the client tells it, or 0; raises INVALID_FIELD if it is no length."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    if not lengths:
        return 0
    if len(set(lengths)) > 1 or not lengths[0].isdigit() or len(lengths[0]) > LENGTH_DIGITS:
        raise HeadraceError(Reason.INVALID_FIELD, "Content-Length is not one number of bytes.")
    return int(lengths[0])
