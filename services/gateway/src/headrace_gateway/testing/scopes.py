"""Requests as the HTTP server hands them on: ASGI scopes."""

from collections.abc import Iterable

from starlette.types import Scope

Headers = Iterable[tuple[str, str | bytes]]


def http_scope(
    method: str = "GET", target: str = "/", headers: Headers = (), *, scheme: str = "https"
) -> Scope:
    """The scope of `method` `target` with these header lines, in this order."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.lower().encode(), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in headers
        ],
    }
