"""The TargetSource suite over memory, files and Kubernetes."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from headrace_gateway.adapters.fixed_routes import FixedRoutes
from headrace_gateway.adapters.kubernetes_services import KubernetesServices
from headrace_gateway.adapters.memory import MemoryTargetSource
from headrace_gateway.adapters.route_file import RouteFile
from headrace_gateway.ports import TargetSource
from headrace_gateway.testing.kubernetes_server import (
    KubernetesServer,
    kubernetes_server,
    labelled,
)
from headrace_gateway.testing.target_source_suite import TargetSourceSuite, table


class TestMemory(TargetSourceSuite):
    @pytest.fixture
    def source(self) -> MemoryTargetSource:
        return MemoryTargetSource(table("a"))

    @pytest.fixture
    def change(self, source: MemoryTargetSource) -> Callable[..., None]:
        return lambda *names: source.tell(table(*names))


class TestFile(TargetSourceSuite):
    @pytest.fixture
    def change(self, tmp_path: Path) -> Callable[..., None]:
        def write(*names: str) -> None:
            targets = ", ".join(f"{{address: '{name}.llm.svc:9000'}}" for name in names)
            new = tmp_path / "new"
            new.write_text(f"models:\n  chat:\n    - targets: [{targets}]\n")
            new.replace(tmp_path / "routes.yaml")

        return write

    @pytest.fixture
    def source(self, tmp_path: Path, change: Callable[..., None]) -> TargetSource:
        change("a")
        return RouteFile(tmp_path / "routes.yaml", refresh_seconds=0.001)


class TestKubernetes(TargetSourceSuite):
    @pytest.fixture
    async def server(self) -> AsyncIterator[KubernetesServer]:
        async with kubernetes_server() as running:
            running.put(labelled("a", "chat"))
            yield running

    @pytest.fixture
    def source(self, server: KubernetesServer) -> TargetSource:
        return KubernetesServices(
            "llm",
            connect=lambda: ApiClient(Configuration(host=server.url)),
            shortest_pause_seconds=0.001,
        )

    @pytest.fixture
    def change(self, server: KubernetesServer) -> Callable[..., None]:
        def apply(*names: str) -> None:
            for name in server.services.keys() - set(names):
                server.delete(name)
            for name in set(names) - server.services.keys():
                server.put(labelled(name, "chat"))

        return apply


async def test_a_table_of_the_settings_comes_once_and_that_is_all() -> None:
    assert [each async for each in FixedRoutes(table("a")).tables()] == [table("a")]
