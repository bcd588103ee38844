"""A real Envoy with what the chart and istio/bootstrap give the ingress gateway beside routes."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import yaml
from tests.stack import helm

from headrace_local import checks, envoy, probes
from headrace_local.components import Component
from headrace_local.envoy import HTTP, ROUTER, extension, socket_address
from headrace_local.supervisor import Supervisor

Config = dict[str, Any]
BOOTSTRAP = helm.CHART.parents[1] / "istio/bootstrap"
CEL = "access_loggers.filters.cel.v3.ExpressionFilter"
FILE_LOG = "access_loggers.file.v3.FileAccessLog"
WITHOUT_QUERY = "formatter.req_without_query.v3.ReqWithoutQuery"
GRPC = "application/grpc"
TOLD = (
    "user-agent",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
)
"""Headers of which `/told` answers what is left; Envoy would obey all but the first."""
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EdgeFilters:
    """An Envoy that runs, and answers for itself."""

    client: httpx.AsyncClient
    log: Path

    def logged(self) -> list[Mapping[str, Any]]:
        """The lines of the access log, whole once Envoy has stopped."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def ask(
        self, address: str, path: str = "/v1/models", headers: Mapping[str, str] = NO_HEADERS
    ) -> httpx.Response:
        """As a client with this address, as a load balancer in front would tell it."""
        return await self.client.get(path, headers={"x-forwarded-for": address, **headers})


@contextlib.asynccontextmanager
async def running_edge(
    directory: Path, objects: Sequence[helm.Object]
) -> AsyncIterator[EdgeFilters]:
    """With the rate limit and the log's filter of these objects, which the chart rendered."""
    port, log = checks.free_port(), directory / "access.log"
    config = directory / "envoy.json"
    config.write_text(json.dumps(_config(port, log, objects)))
    url = f"http://127.0.0.1:{port}"
    probe = probes.http(f"{url}/ready")
    component = Component("envoy", envoy.command(config), layer=0, probe=probe)
    supervisor = Supervisor((component,), log_of=lambda name: directory / f"{name}.log")
    try:
        await supervisor.start()
        async with httpx.AsyncClient(base_url=url) as client:
            yield EdgeFilters(client, log)
    finally:
        await supervisor.stop()


def _config(port: int, log: Path, objects: Sequence[helm.Object]) -> Config:
    patches = _of_kind(objects, "EnvoyFilter")["spec"]["configPatches"]
    new_filter, limit_of_ours = (patch["patch"]["value"] for patch in patches)
    manager = {
        "stat_prefix": "edge",
        # As istiod has it for ingress gateways; one load balancer in front tells who asks.
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "normalize_path": True,
        "merge_slashes": True,
        "access_log": [_access_log(log, objects)],
        "http_filters": [new_filter, extension(ROUTER, {})],
        "route_config": {
            "virtual_hosts": [
                {"name": "probe", "domains": ["127.0.0.1:*"], "routes": _ANSWERS[:1]},
                {"name": "ours", "domains": ["*"], "routes": _ANSWERS, **limit_of_ours},
            ]
        },
        **_bootstrap_edge(),
    }
    listener = {
        "name": "edge",
        "address": socket_address("127.0.0.1", port),
        "filter_chains": [{"filters": [extension(HTTP, manager)]}],
    }
    return {"static_resources": {"listeners": [listener]}}


def _answer(prefix: str, status: int, **headers: str) -> Config:
    return {
        "match": {"prefix": prefix},
        "direct_response": {"status": status, "body": {"inline_string": "an answer"}},
        "response_headers_to_add": [
            {
                "header": {"key": name.replace("_", "-"), "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for name, value in headers.items()
        ],
    }


_ANSWERS = [
    _answer("/ready", 200),
    _answer("/grpc/well", 200, grpc_status="0", content_type=GRPC),
    _answer("/grpc/ill", 200, grpc_status="14", content_type=GRPC),
    _answer("/ill", 503),
    _answer("/told", 200, **{f"told-{name}": f"%REQ({name})%" for name in TOLD}),
    _answer("/", 200),
]


def _bootstrap_edge() -> Config:
    """What istio/bootstrap/edge.yaml adds to the connection manager."""
    patch = yaml.safe_load((BOOTSTRAP / "edge.yaml").read_text())["spec"]["configPatches"][0]
    added: Config = patch["patch"]["value"]["typed_config"]
    return {name: value for name, value in added.items() if name != "@type"}


def _access_log(path: Path, objects: Sequence[helm.Object]) -> Config:
    """The provider of istio/bootstrap with the chart's filter, as istiod puts them together."""
    logging = _of_kind(objects, "Telemetry")["spec"]["accessLogging"][0]
    mesh = yaml.safe_load((BOOTSTRAP / "istiod-values.yaml").read_text())["meshConfig"]
    providers = {each["name"]: each for each in mesh["extensionProviders"]}
    log = providers[logging["providers"][0]["name"]]["envoyFileAccessLog"]
    form = {
        "json_format": log["logFormat"]["labels"],
        "formatters": [extension(WITHOUT_QUERY, {})],
    }
    chosen = {"expression": logging["filter"]["expression"]}
    return {
        "filter": {"extension_filter": extension(CEL, chosen)},
        **extension(FILE_LOG, {"path": str(path), "log_format": form}),
    }


def _of_kind(objects: Sequence[helm.Object], kind: str) -> helm.Object:
    (found,) = (each for each in objects if each["kind"] == kind)
    return found
