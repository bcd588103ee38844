"""What tests do with the tasks of an event loop."""

import asyncio

TURNS = 20


async def settle() -> None:
    """Let every task get as far as it can without the world outside: so nothing has come if by
    then it has not."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
