"""Lists and watches the Services of a namespace through the official client's asyncio part."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.service_labels import MODEL, Service

CLIENT = "kubernetes.aio.client"
LIST_SECONDS = 10.0
WATCH_SECONDS = 240
"""After which the server is to end a watch by itself, so that none outlives what it stands for."""
MARGIN_SECONDS = 10.0


class KubernetesError(Exception):
    """The API did not answer, or not as it should; `status` is HTTP's, if there was one."""

    def __init__(self, message: str, status: int = 0, *, senseless: bool = False) -> None:
        """`senseless` is what would be told again if the same were asked again."""
        super().__init__(message)
        self.status = status
        self.senseless = senseless


@dataclass(frozen=True, slots=True)
class Listed:
    """All Services by name, and the version from which changes can be watched."""

    services: Mapping[str, Service]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """`ADDED`, `MODIFIED` or `DELETED`; or a `BOOKMARK`, which tells only the version."""

    kind: str
    name: str
    service: Service
    version: str


def in_cluster() -> Any:
    """The client of whoever runs in a pod: its service account's token, renewed as it changes."""
    config = import_module("kubernetes.aio.config")
    settings = import_module(CLIENT).Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException as error:
        raise _invalid(f"this process runs in no cluster: {error}") from error
    return import_module(CLIENT).ApiClient(settings)


class ServicesApi:
    """The two calls that discovery needs, of the Services that have the label of a model."""

    def __init__(self, client: Any, namespace: str) -> None:
        """`client` is an ApiClient of `kubernetes.aio`."""
        self._core = import_module(CLIENT).CoreV1Api(client)
        self._namespace = namespace

    async def list(self) -> Listed:
        """Raises KubernetesError."""
        async with self._call(LIST_SECONDS) as response:
            body = json.loads(await response.read())
            services = {service["metadata"]["name"]: service for service in body["items"]}
            return Listed(services, body["metadata"]["resourceVersion"])

    async def watch(self, version: str) -> AsyncGenerator[Change, None]:
        """All that changes after `version`, until the server ends it; raises KubernetesError."""
        options = {
            "watch": True,
            "allow_watch_bookmarks": True,
            "resource_version": version,
            "timeout_seconds": WATCH_SECONDS,
        }
        async with self._call(WATCH_SECONDS + MARGIN_SECONDS, **options) as response:
            while line := await response.content.readline():
                if not line.endswith(b"\n"):
                    raise KubernetesError("the watch ended in the middle of an event")
                event = json.loads(line)
                kind, what = event["type"], event["object"]
                if kind == "ERROR":
                    raise KubernetesError(str(what.get("reason")), int(what["code"]))
                metadata = what["metadata"]
                name = "" if kind == "BOOKMARK" else str(metadata["name"])
                yield Change(kind, name, what, metadata["resourceVersion"])

    @asynccontextmanager
    async def _call(self, seconds: float, **options: Any) -> AsyncIterator[Any]:
        """The response, whose connection ends with the block; all errors as KubernetesError."""
        aiohttp = import_module("aiohttp")
        try:
            response = await self._core.list_namespaced_service_without_preload_content(
                self._namespace, label_selector=MODEL, _request_timeout=seconds, **options
            )
            try:
                if response.status != 200:
                    raise KubernetesError(f"HTTP status {response.status}", response.status)
                yield response
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubernetesError(f"cannot be reached: {type(error).__name__}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise KubernetesError("what it says makes no sense", senseless=True) from error


@asynccontextmanager
async def services_api(
    namespace: str, connect: Callable[[], Any] = in_cluster
) -> AsyncIterator[ServicesApi]:
    """The API, until the block ends. Raises INVALID_FIELD where there is none."""
    try:
        # The client's thousand classes take a second to load; requests do not wait for them.
        await asyncio.to_thread(import_module, CLIENT)
    except ImportError as error:
        raise _invalid("needs headrace-gateway[kubernetes]") from error
    client = connect()
    try:
        yield ServicesApi(client, namespace)
    finally:
        await client.close()


def _invalid(message: str) -> HeadraceError:
    return HeadraceError(
        Reason.INVALID_FIELD, f"kubernetes_namespace: {message}", param="kubernetes_namespace"
    )
