"""Targets from Kubernetes: the real client against a server that speaks the watch protocol."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from structlog.testing import capture_logs

from headrace_common.errors import HeadraceError
from headrace_common.testing.tasks import settle
from headrace_gateway.adapters.kubernetes_services import KubernetesServices
from headrace_gateway.domain.routes import RouteTable
from headrace_gateway.testing.kubernetes_server import (
    KubernetesServer,
    kubernetes_server,
    labelled,
)

Tables = AsyncGenerator[RouteTable, None]


@pytest.fixture
async def server() -> AsyncIterator[KubernetesServer]:
    async with kubernetes_server() as running:
        running.put(labelled("a", "chat"))
        yield running


@asynccontextmanager
async def following(server: KubernetesServer) -> AsyncIterator[Tables]:
    def connect() -> ApiClient:
        return ApiClient(Configuration(host=server.url))

    source = KubernetesServices("llm", connect=connect, shortest_pause_seconds=0.001)
    tables = source.tables()
    try:
        yield tables
    finally:
        await tables.aclose()


def weights(table: RouteTable) -> dict[str, list[int]]:
    return {model: [target.weight for target in groups[0]] for model, groups in table.items()}


async def test_services_come_change_and_go(server: KubernetesServer) -> None:
    async with following(server) as tables:
        assert weights(await anext(tables)) == {"chat": [100]}
        await_next = asyncio.create_task(anext(tables))
        await server.until_watched()
        server.put(labelled("b", "embed"))
        assert weights(await await_next) == {"chat": [100], "embed": [100]}
        server.put(labelled("a", "chat", weight="7"))
        assert weights(await anext(tables)) == {"chat": [7], "embed": [100]}
        server.delete("b")
        assert weights(await anext(tables)) == {"chat": [7]}
    listed, watched = server.requests
    assert listed == {"labelSelector": "headrace.dev/model"}
    assert watched == {
        "labelSelector": "headrace.dev/model",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "101",
        "timeoutSeconds": "240",
    }


async def until_weights(tables: Tables, wanted: dict[str, list[int]]) -> RouteTable:
    async for table in tables:
        if weights(table) == wanted:
            return table
    raise AssertionError("the tables have ended")


async def changed_after(server: KubernetesServer, tables: Tables, weight: int) -> RouteTable:
    """The next table, once the watch that is to tell of it has begun."""
    later = asyncio.create_task(anext(tables))
    await server.until_watched(len(server.watches) + 1)
    server.put(labelled("a", "chat", weight=str(weight)))
    return await later


async def test_a_watch_goes_on_where_the_last_one_ended(server: KubernetesServer) -> None:
    async with following(server) as tables:
        await anext(tables)
        assert weights(await changed_after(server, tables, 1)) == {"chat": [1]}
        server.bookmark()
        server.watches[-1].end()
        assert weights(await changed_after(server, tables, 2)) == {"chat": [2]}
    versions = [query["resourceVersion"] for query in server.requests[1:]]
    assert versions == ["101", "103"], "the bookmark's, so nothing is told twice"


async def test_a_forgotten_version_is_listed_again(server: KubernetesServer) -> None:
    async with following(server) as tables:
        await anext(tables)
        await changed_after(server, tables, 1)
        server.watches[-1].end()
        server.put(labelled("a", "chat", weight="5"))
        server.forget()
        assert weights(await anext(tables)) == {"chat": [5]}
        assert [len(query) for query in server.requests] == [1, 5, 5, 1]
        assert weights(await changed_after(server, tables, 6)) == {"chat": [6]}


async def test_gone_as_an_http_status_is_gone_too(server: KubernetesServer) -> None:
    async with following(server) as tables:
        await anext(tables)
        server.answers = [b"HTTP/1.1 410 Gone\r\nconnection: close\r\n\r\n"]
        assert weights(await anext(tables)) == {"chat": [100]}
        assert [len(query) for query in server.requests] == [1, 5, 1]


@pytest.mark.parametrize("beginning", [b"", b'{"type": "MODIFIED", "object": {"metadata"'])
async def test_a_connection_that_breaks_in_the_middle_of_an_event_loses_nothing(
    server: KubernetesServer, beginning: bytes
) -> None:
    async with following(server) as tables:
        await anext(tables)
        later = asyncio.create_task(anext(tables))
        await server.until_watched()
        if beginning:
            server.watches[0].send(beginning)
        server.watches[0].cut()
        await server.until_watched(2)
        server.put(labelled("a", "chat", weight="3"))
        assert weights(await later) == {"chat": [3]}
        assert server.requests[-1]["resourceVersion"] == "101"


async def test_an_event_that_ends_with_the_watch_is_not_taken_for_whole(
    server: KubernetesServer,
) -> None:
    service = labelled("a", "chat", weight="9")
    service["metadata"]["resourceVersion"] = "500"
    async with following(server) as tables:
        await anext(tables)
        later = asyncio.create_task(anext(tables))
        await server.until_watched()
        server.watches[0].send(json.dumps({"type": "MODIFIED", "object": service}).encode())
        server.watches[0].end()
        await server.until_watched(2)
        server.put(labelled("a", "chat", weight="3"))
        assert weights(await later) == {"chat": [3]}


async def test_an_event_may_come_in_pieces(server: KubernetesServer) -> None:
    service = labelled("a", "chat", weight="9")
    service["metadata"]["resourceVersion"] = "500"
    line = json.dumps({"type": "MODIFIED", "object": service}).encode() + b"\n"
    async with following(server) as tables:
        await anext(tables)
        later = asyncio.create_task(anext(tables))
        await server.until_watched()
        for position in range(0, len(line), 50):
            server.watches[0].send(line[position : position + 50])
        assert weights(await later) == {"chat": [9]}


NONSENSE: list[Any] = [
    [],
    {},
    {"type": "ADDED"},
    {"type": "ADDED", "object": {"metadata": {"name": "x"}}},
    {"type": "ADDED", "object": {"metadata": {"resourceVersion": "500"}}},
    {"type": "ADDED", "object": {"metadata": []}},
    {"type": "ADDED", "object": "a"},
    {"type": "ERROR", "object": {"code": "many"}},
    {"type": "ERROR", "object": {"code": 500, "reason": "InternalError"}},
]


@pytest.mark.parametrize("event", [*map(json.dumps, NONSENSE), "{", "\xff"])
async def test_nonsense_ends_a_watch_and_the_table_stays(
    server: KubernetesServer, event: str
) -> None:
    with capture_logs() as logs:
        async with following(server) as tables:
            await anext(tables)
            later = asyncio.create_task(until_weights(tables, {"chat": [3]}))
            await server.until_watched()
            server.watches[0].send(event.encode("latin-1") + b"\n")
            await server.until_watched(2)
            server.put(labelled("a", "chat", weight="3"))
            assert set(await later) == {"chat"}
    assert [log["event"] for log in logs] == ["services_not_watched"]


async def test_an_api_that_is_away_or_forbids_is_asked_again_until_it_answers(
    server: KubernetesServer,
) -> None:
    forbidden = b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    # The client itself tries once more where a connection ends without a word.
    server.answers = [b"", b"", forbidden, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"]
    with capture_logs() as logs:
        async with following(server) as tables:
            assert weights(await anext(tables)) == {"chat": [100]}
    assert len(server.requests) == 5
    assert [log["reason"] for log in logs if "attempt" in log] == [
        "cannot be reached: ServerDisconnectedError",
        "HTTP status 403",
        "what it says makes no sense",
    ]


async def test_a_slow_api_does_not_hold_up_the_event_loop(server: KubernetesServer) -> None:
    """The server is in this loop as well, and answers only once all else has come to rest."""
    server.door.clear()
    async with following(server) as tables:
        later = asyncio.create_task(anext(tables))
        await server.until_asked(1)
        await settle()
        assert not later.done()
        server.door.set()
        assert weights(await later) == {"chat": [100]}


async def test_a_service_that_cannot_be_a_target_is_said_once(server: KubernetesServer) -> None:
    bad = labelled("bad", "chat", weight="much")
    server.put(bad)
    with capture_logs() as logs:
        async with following(server) as tables:
            assert weights(await anext(tables)) == {"chat": [100]}
            await changed_after(server, tables, 5)
    ignored = [log for log in logs if log["event"] == "service_ignored"]
    assert [log["target"] for log in ignored] == ["bad"]


async def test_whoever_stops_following_lets_go_of_the_watch(server: KubernetesServer) -> None:
    async with following(server) as tables:
        await anext(tables)
        later = asyncio.create_task(anext(tables))
        await server.until_watched()
        held = asyncio.create_task(server.watches[0].until_left())
        await settle()
        assert not held.done()
        later.cancel()
        await asyncio.wait([later])
    async with asyncio.timeout(5):
        await held
    assert held.done()


async def test_outside_a_cluster_the_start_says_so() -> None:
    with pytest.raises(
        HeadraceError, match="kubernetes_namespace: this process runs in no cluster"
    ):
        await anext(KubernetesServices("llm").tables())


def test_a_gateway_that_does_not_ask_for_it_does_not_load_the_client() -> None:
    program = "import headrace_gateway.app, sys; print({'kubernetes', 'aiohttp'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "set()\n"
