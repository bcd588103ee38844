"""An HTTP transport that lets no answer grow beyond a bound."""

from collections.abc import AsyncIterator

import httpx2

from headrace_auth.adapters.identity_providers.unbelievable import UnbelievableError

MAXIMUM_BODY = 1024 * 1024
"""Bytes of one answer."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Raises UnbelievableError for an answer that is larger, or compressed though not asked to be.

    A compressed one could be a thousand times as large once it is unpacked.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, maximum: int = MAXIMUM_BODY) -> None:
        self._inner = inner
        self._maximum = maximum

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise UnbelievableError("compressed")
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response, self._maximum),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, maximum: int) -> None:
        self._response = response
        self._maximum = maximum

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._response.aiter_raw():
            size += len(chunk)
            if size > self._maximum:
                raise UnbelievableError("too_large")
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
