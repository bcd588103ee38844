"""Rows of `audit.events`, read from a running stack's PostgreSQL."""

import asyncio
from typing import Any

import asyncpg

from headrace_local.stack import Stack

DELIVERY_SECONDS = 15.0


async def rows_where(stack: Stack, condition: str, *values: object) -> list[Any]:
    """The events that fulfil the SQL condition, of those that have been delivered."""
    sockets = str(stack.plan.runtime / "postgres")
    connection = await asyncpg.connect(
        host=sockets, user="postgres", database="headrace", timeout=10
    )
    try:
        query = f"SELECT * FROM audit.events WHERE {condition}"
        return list(await connection.fetch(query, *values, timeout=30))
    finally:
        await connection.close(timeout=10)


async def row_where(stack: Stack, condition: str, *values: object) -> Any:
    """The one event that fulfils the SQL condition, once delivered; fails if there are several."""
    async with asyncio.timeout(DELIVERY_SECONDS):
        while True:
            rows = await rows_where(stack, condition, *values)
            if rows:
                [row] = rows
                return row
            await asyncio.sleep(0.05)  # delivery is asynchronous and tells nobody
