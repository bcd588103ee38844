"""A route table that changes: nothing is dropped, and nothing is kept for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget, MemoryTargetSource
from headrace_gateway.domain.circuit import CircuitRules
from headrace_gateway.domain.completion import ModelCard
from headrace_gateway.domain.routes import Endpoint, Group, RouteTable, Target
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.stages.route import Router
from headrace_gateway.stages.servers import Servers
from headrace_gateway.testing.gateway import PRINCIPAL, running_gateway
from headrace_gateway.testing.routing import fixed_router


class Server(EchoTarget):
    """An EchoTarget with a load, which can be down."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.saturation: float | None = None
        self.down = False
        self.asked = 0

    async def models(self) -> list[ModelCard]:
        self.asked += 1
        if self.down:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")
        return list(await super().models())

    async def load(self) -> float:
        if self.saturation is None:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down")
        return self.saturation


def group(*names: str, weight: int = 100) -> Group:
    return tuple(Target(Endpoint(name), name, weight) for name in names)


class Scene:
    """A router that follows a source, and the servers that it has connected to."""

    def __init__(self, table: RouteTable) -> None:
        self.source = MemoryTargetSource(table)
        self.connected: list[tuple[str, Server]] = []
        self.starting: set[str] = set()
        self.registry = CollectorRegistry()
        self.servers = Servers(
            self._connect, CircuitRules(failures=2), FakeClock(), RoutingMetrics(self.registry)
        )
        self.router = Router(self.servers, refresh_seconds=0.001, load_seconds=0.001)

    def _connect(self, endpoint: Endpoint) -> Server:
        server = Server(endpoint.address)
        server.down = endpoint.address in self.starting
        self.connected.append((endpoint.address, server))
        return server

    def server(self, name: str) -> Server:
        return dict(self.connected)[name]

    def names(self) -> list[str]:
        return [name for name, _ in self.connected]

    def models(self) -> list[str]:
        return [card.model.id for card in self.router.cards_for(PRINCIPAL)]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.001)


@asynccontextmanager
async def following(table: RouteTable) -> AsyncIterator[Scene]:
    scene = Scene(table)
    works = (scene.router.follow(scene.source), scene.router.keep_fresh())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait_for(scene.router.known.wait(), 10)
        yield scene
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_a_change_connects_to_what_is_new_and_closes_what_is_unused() -> None:
    async with following({"a": (group("a"),), "b": (group("b"),)}) as at:
        at.source.tell({"b": (group("b"),), "c": (group("c"),)})
        await at.until(lambda: at.models() == ["b", "c"])
        await at.until(lambda: at.server("a").closed)
        assert sorted(at.names()) == ["a", "b", "c"]
        assert not at.server("b").closed


async def test_who_is_in_use_is_closed_only_afterwards() -> None:
    async with following({"a": (group("a"),)}) as at:
        old = at.servers[Endpoint("a")]
        with old.in_use(), old.in_use():
            at.source.tell({"b": (group("b"),)})
            await at.until(lambda: at.models() == ["b"])
            await at.servers.close_unused()
            assert not at.server("a").closed
        await at.until(lambda: at.server("a").closed)


async def test_a_server_that_comes_back_is_connected_to_anew() -> None:
    async with following({"a": (group("a"),), "b": (group("b"),)}) as at:
        at.source.tell({"b": (group("b"),)})
        await at.until(lambda: at.models() == ["b"])
        at.source.tell({"a": (group("a"),), "b": (group("b"),)})
        await at.until(lambda: at.models() == ["a", "b"])
        assert at.names().count("a") == 2
        assert not at.server("a").closed


async def test_weights_change_without_a_new_connection() -> None:
    async with following({"a": (group("a", "b"),)}) as at:
        connected = list(at.names())
        at.router.apply({"a": ((*group("a", weight=1), *group("b", weight=0)),)})
        assert at.names() == connected


async def test_at_the_end_all_connections_are_closed() -> None:
    async with following({"a": (group("a"),)}) as at:
        with at.servers[Endpoint("a")].in_use():
            await at.router.close()
            assert at.server("a").closed


async def test_an_empty_table_is_a_table_and_a_gateway_without_models_is_ready() -> None:
    async with following({}) as at:
        assert at.models() == []
        at.source.tell({"a": (group("a"),)})
        await at.until(lambda: at.models() == ["a"])


async def test_a_model_whose_first_group_is_unseen_is_known_by_its_fallback() -> None:
    async with following({"chat": (group("small"),), "small": (group("small"),)}) as at:
        assert at.models() == ["chat", "small"]
        [chat, _] = at.router.cards_for(PRINCIPAL)
        assert chat.context_tokens == 2048


async def test_saturation_is_the_mean_by_weight_of_the_first_group_that_tells() -> None:
    pair = (*group("a", weight=90), *group("b", weight=10))
    async with following({"chat": (pair, group("small"))}) as at:
        assert at.router.saturation("chat") == 0.0
        assert at.router.saturation("unknown") == 0.0
        at.server("small").saturation = 3.0
        await at.until(lambda: at.router.saturation("chat") == 3.0)
        at.server("a").saturation, at.server("b").saturation = 0.5, 1.5
        await at.until(lambda: at.router.saturation("chat") == pytest.approx(0.6))
        at.server("b").saturation = None
        await at.until(lambda: at.router.saturation("chat") == 0.5)


async def test_targets_in_the_table_have_series_and_others_have_none() -> None:
    def value(name: str, target: str) -> float | None:
        return at.registry.get_sample_value(f"headrace_gateway_target_{name}", {"target": target})

    async with following({"a": (group("a"),)}) as at:
        assert (value("ejected", "a"), value("saturation", "a")) == (0, 0)
        at.server("a").saturation = 0.25
        await at.until(lambda: value("saturation", "a") == 0.25)
        with at.servers[Endpoint("a")].in_use():
            at.source.tell({"b": (group("b"),)})
            await at.until(lambda: at.models() == ["b"])
            assert (value("ejected", "a"), value("saturation", "a")) == (None, None)
        await at.until(lambda: at.server("a").closed)
        assert value("saturation", "a") is None


async def test_a_server_that_does_not_say_what_it_serves_is_ejected_and_tried_when_it_does() -> (
    None
):
    async with following({"a": (group("a"),)}) as at:
        server = at.servers[Endpoint("a")]
        with capture_logs() as logs:
            at.server("a").down = True
            await at.until(lambda: server.is_ejected)
            at.server("a").down = False
            await at.until(lambda: not server.is_ejected)
        events = [log["event"] for log in logs]
        assert events.count("target_ejected") == 1
        assert events.count("model_not_seen") == 1
        assert at.models() == ["a"]


async def test_a_server_that_still_starts_is_not_ejected() -> None:
    async with following({"a": (group("a"),)}) as at:
        with capture_logs() as logs:
            at.starting.add("b")
            at.source.tell({"a": (group("a"),), "b": (group("b"),)})
            await at.until(lambda: "b" in at.names() and at.server("b").asked > 5)
            assert not at.servers[Endpoint("b")].is_ejected
            at.server("b").down = False
            await at.until(lambda: at.models() == ["a", "b"])
        assert "target_ejected" not in [log["event"] for log in logs]


async def test_models_are_shown_under_their_public_names() -> None:
    def routing(registry: Any, clock: FakeClock) -> Router:
        table = {"gpt-x": ((Target(Endpoint("echo"), "echo"),),)}
        return fixed_router({"echo": EchoTarget()}, refresh_seconds=3600, table=table)

    async with running_gateway(routing=routing) as gateway:
        listed = (await gateway.client.get("/v1/models")).json()["data"]
        assert [model["id"] for model in listed] == ["gpt-x"]
        one = (await gateway.client.get("/v1/models/gpt-x")).json()
        assert (one["id"], one["headrace"]["version"]) == ("gpt-x", "v1")
        assert (await gateway.client.get("/v1/models/echo")).status_code == 404
