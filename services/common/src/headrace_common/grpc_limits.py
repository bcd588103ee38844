"""Bounds the calls that a gRPC server runs at once; a call beyond the bound hears so at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_interceptors import Around


def limit_calls(maximum: int, exempt: tuple[str, ...]) -> Around:
    """Raise QUEUE_FULL beyond `maximum` calls; methods that begin with one of `exempt` pass.

    gRPC's own bound knows no exemption: a busy server would fail its liveness probe and be killed.
    """
    running = 0

    @asynccontextmanager
    async def around(method: str, _context: Any) -> AsyncIterator[None]:
        nonlocal running
        if method.startswith(exempt):
            yield
            return
        if running >= maximum:
            message = "The service has too many calls in flight."
            raise HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=1)
        running += 1
        try:
            yield
        finally:
            running -= 1

    return around
