"""HTTP to one remote server: bounded in time, size and connections, no redirect followed."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import httpx2

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.openai_remote.errors import failed, not_serving, refusal
from headrace_inference.adapters.openai_remote.options import RemoteOptions

CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0
"""For everything that is no generation."""
SPARE_CONNECTIONS = 4
"""Beside one for each slot: for prompts that are read before they wait."""
KEEP_ALIVE_SECONDS = 3.0
"""Less than the 5 s after which common servers close a connection that is idle."""
DRAIN_SECONDS = 0.5
MAXIMUM_ANSWER = 64 * 1024 * 1024
"""Bytes; a long prompt's tokens and a batch's embeddings are the largest."""
MAXIMUM_REFUSAL = 64 * 1024
MAXIMUM_EVENT = 1024 * 1024
DONE = "[DONE]"
LOST = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)


class RemoteHttp:
    """What holds a slot has a connection of its own, so that nothing else keeps it waiting."""

    def __init__(self, options: RemoteOptions, clock: Clock) -> None:
        self._clock = clock
        self._key = options.api_key or ""
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "headrace"}
        if options.api_key:
            self._headers["Authorization"] = f"Bearer {options.api_key}"
        trusted = httpx2.create_ssl_context(trust_env=False)
        self._slots = self._client(trusted, options.slots, options.stall_seconds)
        self._calls = self._client(trusted, SPARE_CONNECTIONS, CALL_SECONDS)
        self._probes = self._client(trusted, 1, CALL_SECONDS)

    def _client(self, trusted: Any, connections: int, read_seconds: float) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers=self._headers,
            verify=trusted,
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections, keepalive_expiry=KEEP_ALIVE_SECONDS),
            timeout=httpx2.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS, read=read_seconds),
        )

    async def status(self, url: str) -> int:
        """The status of a GET; raises NOT_SERVING if nobody answers."""
        async with self._opened(self._probes, "GET", url) as response:
            return response.status_code

    async def get(self, url: str) -> Any:
        """The JSON value at `url`; raises what its refusal means, or NOT_SERVING."""
        return await self._call(self._calls, "GET", url)

    async def post(self, url: str, body: Any) -> Any:
        """The same for what is sent to it, by somebody who holds no slot."""
        return await self._call(self._calls, "POST", url, body)

    async def post_from_slot(self, url: str, body: Any) -> Any:
        """The same for who holds one."""
        return await self._call(self._slots, "POST", url, body)

    @asynccontextmanager
    async def stream(self, url: str, body: Any) -> AsyncIterator[AsyncGenerator[str, None]]:
        """The data of each event up to `[DONE]`, once the remote has accepted the request.

        Raises what a refusal means, and NOT_SERVING if nobody answers; inside the block
        ENGINE_FAILED. Leaving the block early closes the connection: so the remote hears of it.
        """
        async with self._opened(self._slots, "POST", url, body) as response:
            await self._check(response)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise failed("does not stream")
            events = httpx2.EventSource(response, max_event_size=MAXIMUM_EVENT)
            async with aclosing(_data(events)) as data:
                yield data

    async def close(self) -> None:
        for client in (self._slots, self._calls, self._probes):
            await client.aclose()

    async def _call(
        self, client: httpx2.AsyncClient, method: str, url: str, body: Any = None
    ) -> Any:
        async with self._opened(client, method, url, body) as response:
            await self._check(response)
            answer = await self._read_whole(client, response)
        if len(answer) > MAXIMUM_ANSWER:
            raise failed("answers too much")
        try:
            return json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise failed("answers something that is no JSON") from error

    async def _read_whole(self, client: httpx2.AsyncClient, response: httpx2.Response) -> bytes:
        """httpx bounds the wait for each piece, this the wait for all of them."""
        try:
            async with asyncio.timeout(client.timeout.read):
                return await _read(response, MAXIMUM_ANSWER)
        except TimeoutError as error:
            raise failed("stalled") from error

    @asynccontextmanager
    async def _opened(
        self, client: httpx2.AsyncClient, method: str, url: str, body: Any = None
    ) -> AsyncIterator[httpx2.Response]:
        """An answer that has begun; inside the block, what goes wrong is ENGINE_FAILED."""
        try:
            response = await _send(client, client.build_request(method, url, json=body))
        except httpx2.PoolTimeout as error:
            raise HeadraceError(
                Reason.QUEUE_FULL, "too many prompts wait to be read", retry_after_seconds=1
            ) from error
        except httpx2.TimeoutException as error:
            raise not_serving("the model's server is silent") from error
        except httpx2.HTTPError as error:
            raise not_serving("the model's server is not there") from error
        try:
            yield response
        except httpx2.TimeoutException as error:
            raise failed("stalled") from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise failed("broke off") from error
        finally:
            await response.aclose()

    async def _check(self, response: httpx2.Response) -> None:
        if response.status_code != HTTPStatus.OK:
            body = await _read(response, MAXIMUM_REFUSAL)
            now = self._clock.now()
            raise refusal(response.status_code, response.headers, body, now=now, secret=self._key)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise failed("compresses, which nobody asked it for")  # it could unpack to any size


async def _send(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    try:
        return await client.send(request, stream=True)
    except LOST:  # a kept connection that the server closed in this moment; a new one will do
        return await client.send(request, stream=True)


async def _data(source: httpx2.EventSource) -> AsyncGenerator[str, None]:
    events = cast("AsyncGenerator[httpx2.ServerSentEvent, None]", aiter(source))
    async with aclosing(events):
        async for event in events:
            if event.data == DONE:
                break
            yield event.data
        # a connection that is read to its end can be used again
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in events:
                    continue


async def _read(response: httpx2.Response, maximum: int) -> bytes:
    """The body, or the beginning of one that is larger."""
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > maximum:
            break
    return bytes(body)
