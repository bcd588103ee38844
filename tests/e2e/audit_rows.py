"""Rows of `audit.events`, once they have been delivered."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg

DELIVERY_SECONDS = 15.0


async def row_where(database: dict[str, Any], condition: str, value: str | datetime) -> Any:
    """The one event that fulfils the SQL condition; fails if there are several."""
    connection = await asyncpg.connect(**database, database="headrace", timeout=10)
    try:
        async with asyncio.timeout(DELIVERY_SECONDS):
            while True:
                rows = await connection.fetch(
                    f"SELECT * FROM audit.events WHERE {condition}", value
                )
                if rows:
                    [row] = rows
                    return row
                await asyncio.sleep(0.05)  # delivery is asynchronous and tells nobody
    finally:
        await connection.close()
