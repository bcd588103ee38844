"""The suite that every TargetSource whose table can change must pass."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from headrace_gateway.domain.routes import Endpoint, RouteTable, Target
from headrace_gateway.ports import TargetSource


def table(*names: str) -> RouteTable:
    """The model `chat` at Services of these names in the namespace `llm`."""
    return {"chat": (tuple(Target(Endpoint(f"{name}.llm.svc:9000"), "chat") for name in names),)}


class TargetSourceSuite:
    """Subclasses provide a fixture `source`, which begins with `table("a")`, and `change`, which
    makes its table another one of services with these names."""

    async def test_the_table_comes_at_once_and_then_each_other_one(
        self, source: TargetSource, change: Callable[..., None]
    ) -> None:
        async with asyncio.timeout(20), aclosing(source.tables()) as tables:
            assert await anext(tables) == table("a")
            for names in (("a", "b"), ("a",)):
                later = asyncio.create_task(anext(tables))
                change(*names)
                assert await later == table(*names)

    async def test_what_changed_while_nobody_asked_is_told(
        self, source: TargetSource, change: Callable[..., None]
    ) -> None:
        async with asyncio.timeout(20), aclosing(source.tables()) as tables:
            await anext(tables)
            change("a", "b")
            assert await anext(tables) == table("a", "b")

    async def test_it_can_be_left_while_nothing_changes(self, source: TargetSource) -> None:
        async with asyncio.timeout(20):
            tables = source.tables()
            await anext(tables)
            later = asyncio.create_task(anext(tables))
            await asyncio.sleep(0)
            later.cancel()
            await asyncio.wait([later])
            await tables.aclose()
        assert later.cancelled()
