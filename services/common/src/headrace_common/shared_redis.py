"""Redis, and Lua scripts in it, with many calls at a time over one connection.

redis-py took 100 to 170 us of CPU for each call; calls that are written and read together over one
connection take a fifth of that (ADR 35). The protocol itself (RESP2) is hiredis's.
"""

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from headrace_common.lateness import Lateness, patient_timeout

Argument = str | int | bytes
MAXIMUM_WAITING = 4096
"""Calls that wait for their replies; more than a service has requests in flight."""


class SharedRedis:
    """Runs commands and a fixed set of scripts; connects when first asked, and after a failure.

    A call that was sent is never repeated by itself: it may have run. Each has
    `timeout_seconds`, connecting included; one that is late ends the connection, and with it the
    calls behind it. Raises RedisError, OSError and TimeoutError.
    """

    def __init__(
        self,
        url: str,
        scripts: Sequence[str] = (),
        *,
        timeout_seconds: float,
        lateness: Lateness,
    ) -> None:
        """`url` is as redis-py's: `redis://`, `rediss://` with `ssl_ca_certs`, `unix://`."""
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._lateness = lateness
        self._digests = {script: _digest(script) for script in scripts}
        self._session: _Session | None = None
        self._connecting = asyncio.Lock()

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The script's reply, with texts as bytes."""
        command = ("EVALSHA", self._digests[script], len(keys), *keys, *arguments)
        try:
            return await self.command(*command)
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        # Somebody flushed them; it did not run.
        for each in self._digests:
            await self.command("SCRIPT", "LOAD", each)
        return await self.command(*command)

    async def command(self, *command: Argument) -> Any:
        """Any other command's reply."""
        session = self._session
        try:
            async with patient_timeout(self._timeout_seconds, self._lateness):
                if session is None or session.ended:
                    session = await self._connected()
                return await session.call(*command)
        except TimeoutError:
            if session is not None:
                session.end()
            raise

    async def close(self) -> None:
        """Calls that still wait fail."""
        if self._session is not None:
            self._session.end()

    async def _connected(self) -> "_Session":
        async with self._connecting:
            if self._session is None or self._session.ended:
                self._session = await _connect(self._url, self._digests)
            return self._session


class _Session(asyncio.Protocol):
    """One connection; over as soon as it fails."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=ResponseError)
        self._transport: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        """In the order of their calls, which is that of the replies."""
        self.ended = False

    async def call(self, *command: Any) -> Any:
        """Send a command, and wait for its reply; being cancelled leaves other calls alone."""
        if self.ended:
            raise RedisConnectionError("the connection is lost")
        if len(self._waiting) >= MAXIMUM_WAITING:
            raise RedisConnectionError("too many calls wait for Redis")
        reply = self._loop.create_future()
        self._waiting.append(reply)
        if not self._unsent:  # what is called before the loop turns goes out together
            self._loop.call_soon(self._send)
        self._unsent.append(hiredis.pack_command(command))
        return await reply

    def end(self) -> None:
        """Whatever still waits fails; the server drops what it has not begun."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            reply = self._waiting.popleft()
            if not reply.done():
                reply.set_exception(RedisConnectionError("the connection is lost"))

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self.ended:
            self._transport.write(b"".join(unsent))

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            waiting = self._waiting.popleft()
            if waiting.done():
                continue
            if isinstance(reply, ResponseError):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)

    def connection_lost(self, _error: Exception | None) -> None:
        self.end()


async def _connect(url: str, scripts: Iterable[str]) -> _Session:
    wanted = cast(dict[str, Any], parse_url(url))
    loop = asyncio.get_running_loop()
    if path := wanted.get("path"):
        _, session = await loop.create_unix_connection(_Session, path)
    else:
        host, port = wanted.get("host", "localhost"), wanted.get("port", 6379)
        tls = None
        if url.startswith("rediss://"):
            tls = ssl.create_default_context(cafile=wanted.get("ssl_ca_certs"))
        _, session = await loop.create_connection(_Session, host, port, ssl=tls)
    try:
        if password := wanted.get("password"):
            name = (wanted["username"],) if "username" in wanted else ()
            await session.call("AUTH", *name, password)
        if database := wanted.get("db"):
            await session.call("SELECT", database)
        for script in scripts:
            await session.call("SCRIPT", "LOAD", script)
    except BaseException:
        session.end()
        raise
    return session


def _digest(script: str) -> str:
    """The name that Redis gives a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
