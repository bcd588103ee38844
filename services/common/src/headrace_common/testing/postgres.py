"""A PostgreSQL behind a proxy, for tests of its bad days."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL, make_url

from headrace_common.testing.proxy import Proxy, Streams, proxying


@asynccontextmanager
async def proxying_postgres(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to the server of an SQLAlchemy URL (socket or TCP), and the URL that leads to it."""
    target = make_url(url)
    async with proxying(lambda: _connect(target)) as proxy:
        through = target.set(host="127.0.0.1", port=proxy.port, query={})
        yield proxy, through.render_as_string(hide_password=False)


async def _connect(url: URL) -> Streams:
    host = str(url.query.get("host", url.host))
    port = int(str(url.query.get("port", url.port or 5432)))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)
