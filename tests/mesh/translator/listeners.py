"""The pieces of Envoy's configuration that do not depend on what the chart says."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.mesh.translator.cluster import Port

from headrace_local.envoy import HTTP, ROUTER, TLS, extension, socket_address

Config = dict[str, Any]
LOOPBACK = "127.0.0.1"
"""Where pods' processes listen, and where the public finds the edge."""
UPSTREAM_TLS = "transport_sockets.tls.v3.UpstreamTlsContext"
TCP_PROXY = "filters.network.tcp_proxy.v3.TcpProxy"
INSPECTOR = "filters.listener.tls_inspector.v3.TlsInspector"


class Certificates(Protocol):
    """Where the files are that an Envoy presents and trusts."""

    def chain(self, identity: str) -> Path: ...
    def key(self, identity: str) -> Path: ...
    def authority(self) -> Path: ...


def listener(
    name: str, address: Config, filters: Sequence[Config], tls: Config | None, mode: str
) -> Config:
    """`mode` is that of a PeerAuthentication, and `tls` how it ends TLS."""
    plain: Config = {"filters": list(filters)}
    encrypted = {**plain, "transport_socket": tls}
    config: Config = {
        "name": name,
        "address": address,
        # Else a second Envoy could share the port unnoticed, and take half of the requests.
        "enable_reuse_port": False,
    }
    if mode == "PERMISSIVE":
        config["listener_filters"] = [extension(INSPECTOR, {})]
        chains = [
            {**encrypted, "filter_chain_match": {"transport_protocol": "tls"}},
            {**plain, "filter_chain_match": {"transport_protocol": "raw_buffer"}},
        ]
    else:
        chains = [encrypted if mode == "STRICT" else plain]
    return {**config, "filter_chains": chains}


def http_manager(
    name: str,
    routes: Mapping[str, Sequence[Config]],
    filters: Iterable[Config],
    **options: Any,
) -> Config:
    """HTTP of both versions, with routes by host; as istiod's, it has no time limit of its own."""
    hosts = [
        {"name": host, "domains": _domains(host), "routes": list(its)}
        for host, its in routes.items()
    ]
    config = {
        "stat_prefix": name,
        "stream_idle_timeout": "0s",
        "normalize_path": True,
        "route_config": {"name": name, "virtual_hosts": hosts},
        "http_filters": [*filters, extension(ROUTER, {})],
        **options,
    }
    return extension(HTTP, config)


def _domains(host: str) -> list[str]:
    return ["*"] if host == "*" else [host, f"{host}:*"]


def tcp_proxy(cluster: str) -> Config:
    """Passes bytes on."""
    return extension(TCP_PROXY, {"stat_prefix": cluster, "cluster": cluster})


def application_cluster(name: str, port: int, pool: Config) -> Config:
    """The process that an inbound side stands for."""
    endpoint = {"endpoint": {"address": socket_address(LOOPBACK, port)}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        **pool,
    }


def downstream_tls(certificates: Certificates, identity: str) -> Config:
    """Only callers with a certificate of the mesh pass."""
    context = {
        **_own(certificates, identity),
        "alpn_protocols": ["h2", "http/1.1"],
        "validation_context": {"trusted_ca": {"filename": str(certificates.authority())}},
    }
    config = {"common_tls_context": context, "require_client_certificate": True}
    return extension(TLS, config)


def upstream_tls(
    certificates: Certificates, identity: str, peers: Sequence[str], host: str, port: Port
) -> Config:
    """Calls as `identity`, and only whoever is one of `peers`."""
    validation = {
        "trusted_ca": {"filename": str(certificates.authority())},
        "match_typed_subject_alt_names": [
            {"san_type": "URI", "matcher": {"exact": peer}} for peer in peers
        ],
    }
    context = {
        **_own(certificates, identity),
        "alpn_protocols": ["h2" if port.is_http2 else "http/1.1"],
        "validation_context": validation,
    }
    return extension(UPSTREAM_TLS, {"common_tls_context": context, "sni": host})


def _own(certificates: Certificates, identity: str) -> Config:
    chain, key = certificates.chain(identity), certificates.key(identity)
    pair = {
        "certificate_chain": {"filename": str(chain)},
        "private_key": {"filename": str(key)},
    }
    return {"tls_certificates": [pair]}
