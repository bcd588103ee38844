"""A TCP proxy in front of a real dependency, for tests of its bad days: cut off, or frozen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


class Proxy:
    """Listens on 127.0.0.1 and forwards bytes; made by `proxying`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def cut(self) -> None:
        """Drop all connections and each new one at once, as a dead server's port does."""
        self._cut = True
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        """Keep connections but let nothing through, as a hung server or a lost network does."""
        self._flowing.clear()

    def restore(self) -> None:
        """Forward again, what was held back first."""
        self._cut = False
        self._flowing.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side ends it."""
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(lambda _: writer.transport.abort())

    async def close(self) -> None:
        """End all connections."""
        self.cut()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            return
        other_reader, other_writer = await self._connect()
        both = {writer, other_writer}
        self._writers |= both
        pumps = [
            asyncio.create_task(self._pump(reader, other_writer)),
            asyncio.create_task(self._pump(other_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            self._writers -= both
            other_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def proxying(connect: Connect) -> AsyncIterator[Proxy]:
    """A proxy on a free port to wherever `connect` leads; afterwards gone with its connections."""
    proxy = Proxy(connect)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
