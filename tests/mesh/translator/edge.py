"""The public end of the mesh: a Gateway, the VirtualServices at it, and EnvoyFilters on it."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mesh.translator.cluster import Service, Workload, selects
from tests.mesh.translator.fields import Fields, UntranslatedError
from tests.mesh.translator.listeners import LOOPBACK, http_manager, listener
from tests.mesh.translator.objects import Object, Rendered, spec_of
from tests.mesh.translator.proxies import Part, Reach, clusters
from tests.mesh.translator.routes import Scene, routes_by_host

from headrace_local.envoy import TLS, extension, socket_address

Config = dict[str, Any]
TLS_VERSIONS = {"TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}
MANAGER = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"


@dataclass(frozen=True, slots=True)
class Edge:
    """The ingress gateway, which no chart of ours installs: its pods, and what lies around them."""

    workload: Workload
    doors: Mapping[int, int]
    """The port on this machine for each port of a Gateway."""
    secrets: Mapping[str, Path]
    """The directories of `server.pem` and `server-key.pem`, by the name of a Secret."""


@dataclass(frozen=True, slots=True)
class _Server:
    """One port of a Gateway."""

    port: int
    hosts: tuple[str, ...]
    credential: str
    minimum_version: str
    redirects: bool


def edge(rendered: Rendered, ingress: Edge, reach: Reach) -> Part:
    """Of each Gateway that is for these pods."""
    part = Part()
    for each in rendered.mesh["Gateway"]:
        spec = spec_of(each)
        is_meant = selects(spec.labels("selector"), ingress.workload.labels)
        servers = [_server(server) for server in spec.each("servers")]
        spec.end()
        for server in servers if is_meant else ():
            scene = Scene(ingress.workload.name, each["metadata"]["name"], server.port)
            part.listeners.append(_listener(rendered, ingress, server, scene))
    part.clusters = _clusters(rendered, ingress, reach)
    return part


def _server(server: Fields) -> _Server:
    server.text("name")
    with server.inner("port") as port:
        port.needed("name")
        number, protocol = port.number("number") or 0, port.needed("protocol")
    hosts = tuple(host.removeprefix("./") for host in server.texts("hosts"))
    with server.inner("tls") as tls:
        redirects = tls.flag("httpsRedirect")
        credential = tls.text("credentialName")
        version = tls.text("minProtocolVersion", "TLSV1_2")
        if credential:
            tls.only("mode", "SIMPLE", "the public has no certificates")
    if (protocol == "HTTPS") != bool(credential):
        raise UntranslatedError(f"{server.path}: HTTPS goes with a credentialName")
    return _Server(number, hosts, credential, TLS_VERSIONS[version], redirects)


def _listener(rendered: Rendered, ingress: Edge, server: _Server, scene: Scene) -> Config:
    by_host = routes_by_host(rendered, scene)
    routes = {host: by_host[host] for host in server.hosts if host in by_host}
    name = f"{ingress.workload.name}:{server.port}"
    manager = http_manager(
        name,
        routes,
        [],
        # The peer is the client, whose address goes on in x-forwarded-for.
        use_remote_address=True,
    )
    hosts = manager["typed_config"]["route_config"]["virtual_hosts"]
    for host in hosts:
        host["name"] = f"{host['name']}:{server.port}"
        if server.redirects:
            host["require_tls"] = "ALL"
    for patch in _patches(rendered, ingress):
        patch.apply(manager["typed_config"])
    tls = _public_tls(ingress.secrets[server.credential], server) if server.credential else None
    door = ingress.doors[server.port]
    return listener(
        name, socket_address(LOOPBACK, door), [manager], tls, "STRICT" if tls else "DISABLE"
    )


def _public_tls(directory: Path, server: _Server) -> Config:
    pair = {
        "certificate_chain": {"filename": str(directory / "server.pem")},
        "private_key": {"filename": str(directory / "server-key.pem")},
    }
    context = {
        "tls_params": {"tls_minimum_protocol_version": server.minimum_version},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [pair],
    }
    return extension(TLS, {"common_tls_context": context})


def _clusters(rendered: Rendered, ingress: Edge, reach: Reach) -> list[Config]:
    """istiod gives an ingress gateway those of all Services."""
    return [
        cluster
        for service in rendered.services
        for number in _http_ports(service)
        for cluster in clusters(rendered, Scene(ingress.workload.name, "", number), service, reach)
    ]


def _http_ports(service: Service) -> list[int]:
    return [port.number for port in service.ports if port.is_http]


@dataclass(frozen=True, slots=True)
class _Patch:
    """What an EnvoyFilter changes; its value is Envoy's own configuration, which Envoy checks."""

    host: str
    """A virtual host's name, or empty for a new filter of all of them."""
    value: Config

    def apply(self, manager: Config) -> None:
        if not self.host:
            manager["http_filters"].insert(-1, copy.deepcopy(self.value))
            return
        for host in manager["route_config"]["virtual_hosts"]:
            if host["name"] == self.host:
                host.update(copy.deepcopy(self.value))


def _patches(rendered: Rendered, ingress: Edge) -> Iterator[_Patch]:
    for each in rendered.mesh["EnvoyFilter"]:
        spec = spec_of(each)
        with spec.inner("workloadSelector") as selector:
            labels = selector.labels("labels")
        here = each["metadata"]["namespace"] == ingress.workload.namespace
        is_meant = here and selects(labels, ingress.workload.labels)
        patches = [_patch(patch, each) for patch in spec.each("configPatches")]
        spec.end()
        yield from patches if is_meant else ()


def _patch(fields: Fields, whole: Object) -> _Patch:
    kind = fields.needed("applyTo")
    with fields.inner("match") as match:
        match.only("context", "GATEWAY", "the others are not patched here")
        if kind == "HTTP_FILTER":
            _only_before_the_router(match)
        elif kind != "VIRTUAL_HOST":
            raise UntranslatedError(f"{fields.path}.applyTo: {kind!r} is not translated")
        with match.inner("routeConfiguration") as routes, routes.inner("vhost") as virtual_host:
            host = virtual_host.text("name")
    with fields.inner("patch") as patch:
        operation = {"HTTP_FILTER": "INSERT_BEFORE", "VIRTUAL_HOST": "MERGE"}[kind]
        patch.only("operation", operation, "that is all that is done here")
        value = patch.take("value")
    return _Patch(host, value)


def _only_before_the_router(match: Fields) -> None:
    with (
        match.inner("listener") as at,
        at.inner("filterChain") as chain,
        chain.inner("filter") as network_filter,
        network_filter.inner("subFilter") as http_filter,
    ):
        network_filter.only("name", MANAGER, "HTTP alone is patched here")
        http_filter.only("name", ROUTER, "filters are added at the end")
