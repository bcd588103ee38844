"""As much of the Kubernetes API as a watch of Services needs, over HTTP on a loopback port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = "/api/v1/namespaces/llm/services"
Json = dict[str, Any]


def labelled(name: str, model: str, **labels: str) -> Json:
    """A Service of the namespace `llm`."""
    prefixed = {f"headrace.dev/{key}": value for key, value in {"model": model, **labels}.items()}
    return {
        "metadata": {"name": name, "namespace": "llm", "labels": prefixed},
        "spec": {"clusterIP": "10.0.0.1", "ports": [{"name": "grpc", "port": 9000}]},
    }


@dataclass(slots=True)
class Watch:
    """A watch that a client holds open."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """As the server does when a watch has lasted long enough."""
        self.writer.write(b"0\r\n\r\n")
        self.ended.set()

    async def until_left(self) -> None:
        """The client has closed its connection; it says nothing more before."""
        with suppress(ConnectionError):
            await self.reader.read()

    def cut(self) -> None:
        """As a network does."""
        self.writer.transport.abort()
        self.ended.set()


class KubernetesServer:
    """Lists and watches; tests change Services, and interfere."""

    def __init__(self) -> None:
        self.url = ""
        self.services: dict[str, Json] = {}
        self.version = 100
        self.oldest = 0
        """Versions before this are forgotten."""
        self.answers: list[bytes] = []
        """What the next requests get instead of an answer."""
        self.requests: list[dict[str, str]] = []
        self.watches: list[Watch] = []
        self.door = asyncio.Event()
        """Nobody is answered while it is not set."""
        self.door.set()
        self._changed = asyncio.Condition()
        self._told: list[tuple[int, bytes]] = []
        """Versions and events, so that a watch tells what happened before it began, too."""
        self._handlers: set[asyncio.Task[None]] = set()

    def put(self, service: Json) -> None:
        """Add or change a Service."""
        name = service["metadata"]["name"]
        kind = "MODIFIED" if name in self.services else "ADDED"
        self.services[name] = self._tell(kind, service)

    def delete(self, name: str) -> None:
        self._tell("DELETED", self.services.pop(name))

    def bookmark(self) -> None:
        self._tell("BOOKMARK", {"kind": "Service", "metadata": {}})

    def forget(self) -> None:
        """No watch can begin at any version before the next change."""
        self.version += 1
        self.oldest = self.version

    async def until_watched(self, times: int = 1) -> None:
        """Returns once so many watches have begun, from the first one on."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.watches) >= times)

    async def until_asked(self, times: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= times)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        handler: asyncio.Task[None] | None = asyncio.current_task()
        if handler is not None:
            self._handlers.add(handler)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            url = urlsplit(head.split(b" ")[1].decode())
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            async with self._changed:
                self.requests.append(query)
                self._changed.notify_all()
            await self.door.wait()
            if self.answers:
                writer.write(self.answers.pop(0))
            elif url.path != PATH or query.get("labelSelector") != "headrace.dev/model":
                writer.write(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n")
            elif query.get("watch") == "true":
                await self._watch(reader, writer, int(query["resourceVersion"]))
            else:
                self._list(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _list(self, writer: asyncio.StreamWriter) -> None:
        metadata = {"resourceVersion": str(self.version)}
        body = json.dumps({"metadata": metadata, "items": list(self.services.values())}).encode()
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        writer.write(head + body)

    async def _watch(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        watch = Watch(reader, writer)
        if version < self.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired"}
            watch.send(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            watch.end()
        else:
            for told_version, line in self._told:
                if told_version > version:
                    watch.send(line)
        async with self._changed:
            self.watches.append(watch)
            self._changed.notify_all()
        await watch.ended.wait()

    def _tell(self, kind: str, what: Json) -> Json:
        self.version += 1
        what["metadata"]["resourceVersion"] = str(self.version)
        line = json.dumps({"type": kind, "object": what}).encode() + b"\n"
        self._told.append((self.version, line))
        for watch in self.watches:
            if not watch.ended.is_set():
                watch.send(line)
        return what

    async def close(self) -> None:
        """Cut what is open."""
        for watch in self.watches:
            if not watch.ended.is_set():
                watch.cut()
        self.door.set()
        if self._handlers:
            await asyncio.wait(self._handlers)


@asynccontextmanager
async def kubernetes_server() -> AsyncIterator[KubernetesServer]:
    """Runs one until the block ends."""
    fake = KubernetesServer()
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await fake.close()
        await server.wait_closed()
