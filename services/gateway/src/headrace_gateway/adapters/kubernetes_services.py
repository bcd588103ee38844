"""The route table as the labels of a Kubernetes namespace's Services tell it, from a watch.

The API's protocol is: list, then watch from the list's version. Bookmarks move the version on where
nothing happens, the server ends a watch when it likes, and a version that it has forgotten is
answered by 410 Gone, after which one lists again.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from headrace_common.logs import get_logger
from headrace_gateway.adapters.kubernetes_api import (
    KubernetesError,
    ServicesApi,
    in_cluster,
    services_api,
)
from headrace_gateway.adapters.service_labels import Refusal, Service, route_table
from headrace_gateway.domain.routes import RouteTable

GONE = 410
LONGEST_PAUSE_SECONDS = 30.0
MAXIMUM_DOUBLINGS = 20


class KubernetesServices:
    """TargetSource over a namespace's Services; while the API is away the last table stays."""

    def __init__(
        self,
        namespace: str,
        *,
        connect: Callable[[], Any] = in_cluster,
        shortest_pause_seconds: float = 0.2,
    ) -> None:
        """`connect` makes an ApiClient of `kubernetes.aio`."""
        self._namespace = namespace
        self._connect = connect
        self._shortest_pause_seconds = shortest_pause_seconds
        self._services: dict[str, Service] = {}
        self._version = ""
        """Of the API's last word; empty when everything is to be listed (again)."""
        self._failures = 0
        self._refusals: list[Refusal] = []

    async def tables(self) -> AsyncGenerator[RouteTable, None]:
        async with services_api(self._namespace, self._connect) as api:
            while True:
                try:
                    if not self._version:
                        await self._list(api)
                        yield self._table()
                    async with aclosing(self._changes(api)) as changes:
                        async for _ in changes:
                            yield self._table()
                except KubernetesError as error:
                    self._note(error)
                await asyncio.sleep(self._pause())

    async def _list(self, api: ServicesApi) -> None:
        listed = await api.list()
        self._services = dict(listed.services)
        self._version = listed.version

    async def _changes(self, api: ServicesApi) -> AsyncGenerator[None, None]:
        """Yields after each change that it has taken in; ends when the watch does."""
        began = _now()
        try:
            async with aclosing(api.watch(self._version)) as changes:
                async for change in changes:
                    self._failures = 0
                    self._version = change.version
                    if change.kind in ("ADDED", "MODIFIED"):
                        self._services[change.name] = change.service
                        yield
                    elif change.kind == "DELETED":
                        self._services.pop(change.name, None)
                        yield
        finally:
            if _now() - began > LONGEST_PAUSE_SECONDS:  # nothing was the matter
                self._failures = 0

    def _pause(self) -> float:
        """Longer from time to time, and for each gateway another one, until an event comes.

        After a watch that ended without a word, too: nothing is to be asked in a circle.
        """
        longest = self._shortest_pause_seconds * 2 ** min(self._failures, MAXIMUM_DOUBLINGS)
        self._failures += 1
        return float(random.uniform(0.5, 1) * min(longest, LONGEST_PAUSE_SECONDS))  # noqa: S311

    def _note(self, error: KubernetesError) -> None:
        if error.status == GONE or error.senseless:
            # An event of which a watch makes nothing comes again at the same version.
            self._version = ""
        if error.status != GONE:
            get_logger().warning("services_not_watched", reason=str(error), attempt=self._failures)

    def _table(self) -> RouteTable:
        table, refusals = route_table(self._services.values())
        for refusal in refusals:
            if refusal not in self._refusals:  # said once, not at every change
                get_logger().warning("service_ignored", target=refusal.name, reason=refusal.rule)
        self._refusals = refusals
        return table


def _now() -> float:
    return asyncio.get_running_loop().time()
