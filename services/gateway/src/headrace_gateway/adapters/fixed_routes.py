"""A route table that stands in the settings."""

from collections.abc import AsyncGenerator

from headrace_gateway.domain.routes import RouteTable


class FixedRoutes:
    """TargetSource that never changes."""

    def __init__(self, table: RouteTable) -> None:
        self._table = table

    async def tables(self) -> AsyncGenerator[RouteTable, None]:
        yield self._table
