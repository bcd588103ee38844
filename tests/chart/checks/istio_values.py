"""What Istio's types cannot tell: durations, hosts, ports, and fields that exclude each other."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.chart.objects import Object, Objects, Path, annotations, leaves, of_kind, shown, title

DURATIONS = frozenset(
    {
        "baseEjectionTime", "connectTimeout", "drainDuration", "duration", "exponentialDelay",
        "fixedDelay", "idleTimeout", "interval", "maxAge", "maxConnectionDuration", "perTryTimeout",
        "reportingInterval", "terminationDrainDuration", "time", "timeout", "ttl",
        "warmupDurationSecs",
    }
)  # fmt: skip
DURATION = re.compile(r"^(?=.)(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?$")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"^(\*|(\*\.)?{LABEL}(\.{LABEL})*)$")
REACH = re.compile(r"^((?P<namespace>\*|\.|~|[a-z0-9-]+)/)?(?P<host>.+)$")
"""A host that tells its namespace, as Gateways and Sidecars have it: `./name`, `*/name`."""
PROTOCOLS = frozenset({"HTTP", "HTTPS", "HTTP2", "GRPC", "TLS", "TCP"})
RETRIES = frozenset(
    {
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure",
        "envoy-ratelimited", "retriable-4xx", "refused-stream", "retriable-status-codes",
        "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    }
)  # fmt: skip
"""Envoy's words; what is none of them is passed over in silence."""
ROUTE_ENDS = ("route", "redirect", "directResponse", "delegate")
STRING_MATCHES = frozenset({"exact", "prefix", "regex"})
MATCHED = ("uri", "scheme", "method", "authority")
PROXY_CONFIG = frozenset(
    {
        "concurrency", "drainDuration", "holdApplicationUntilProxyStarts", "proxyMetadata",
        "proxyStatsMatcher", "terminationDrainDuration", "tracing",
    }
)  # fmt: skip
"""Fields of a ProxyConfig in an annotation, as many as the chart may use."""


def is_istio(item: Object) -> bool:
    return str(item["apiVersion"].partition("/")[0]).endswith(".istio.io")


def durations_are_durations(objects: Objects) -> list[str]:
    """Numbers with units, the greatest first, at least a millisecond: Istio refuses others."""
    return [
        f"{title(item)}: {shown(path)}: {value!r} is no duration"
        for item in objects
        if is_istio(item) and item["kind"] != "EnvoyFilter"
        for path, value in leaves(item.get("spec"))
        if path and path[-1] in DURATIONS and not isinstance(value, dict | list)
        if not is_duration(value)
    ]


def is_duration(value: object) -> bool:
    return (
        isinstance(value, str) and bool(DURATION.match(value)) and bool(re.search("[1-9]", value))
    )


def seconds(duration: str) -> float:
    """How long a well-formed duration is."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", duration)
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in parts)


def hosts_are_hosts(objects: Objects) -> list[str]:
    return [
        f"{title(item)}: {host!r} is no host"
        for item in objects
        for host in _hosts(item)
        if not HOST.match(host)
    ]


def _hosts(item: Object) -> Iterator[str]:
    spec = item.get("spec") or {}
    match item["kind"]:
        case "VirtualService":
            yield from spec.get("hosts") or [""]
            for path, value in leaves(spec):
                if path[-2:] == ("destination", "host"):
                    yield str(value)
        case "DestinationRule":
            yield spec["host"]
        case "ServiceEntry":
            yield from spec.get("hosts") or [""]
        case "Gateway":
            yield from (_bare(host) for server in spec["servers"] for host in server["hosts"])
        case "Sidecar":
            listeners = spec.get("egress") or []
            yield from (_bare(host) for each in listeners for host in each["hosts"])


def _bare(host: str) -> str:
    found = REACH.match(host)
    return found["host"] if found else host


def ports_are_ports(objects: Objects) -> list[str]:
    """Numbers within range, and of a Gateway's servers the protocol."""
    faults = []
    for item in filter(is_istio, objects):
        for path, value in leaves(item.get("spec")):
            if path[-2:] == ("port", "number") and not _is_port(value):
                faults.append(f"{title(item)}: {shown(path)}: {value} is no port")
            if (
                path[-1:] == ("ports",)
                and path[-2:-1] == ("operation",)
                and isinstance(value, list)
            ):
                faults += [
                    f"{title(item)}: {each!r} is no port" for each in value if not _digits(each)
                ]
    for gateway in of_kind(objects, "Gateway"):
        faults += [
            f"{title(gateway)}: {server['port']['protocol']} is no protocol"
            for server in gateway["spec"]["servers"]
            if server["port"]["protocol"] not in PROTOCOLS
        ]
    return faults


def _is_port(value: object) -> bool:
    return isinstance(value, int) and 1 <= value <= 65_535


def _digits(value: object) -> bool:
    return isinstance(value, str) and value.isdigit() and _is_port(int(value))


def gateways_are_safe(objects: Objects) -> list[str]:
    """HTTPS comes with a certificate and no old TLS; HTTP only sends there."""
    faults = []
    for gateway in of_kind(objects, "Gateway"):
        for server in gateway["spec"]["servers"]:
            tls, protocol = server.get("tls") or {}, server["port"]["protocol"]
            where = f"{title(gateway)}: {server['port'].get('name')}"
            if protocol == "HTTP" and not tls.get("httpsRedirect"):
                faults.append(f"{where}: takes requests without TLS")
            if protocol == "HTTPS" and not (
                tls.get("mode") == "SIMPLE" and tls.get("credentialName")
            ):
                faults.append(f"{where}: has no certificate")
            if protocol == "HTTPS" and tls.get("minProtocolVersion") not in ("TLSV1_2", "TLSV1_3"):
                faults.append(f"{where}: takes old versions of TLS")
    return faults


def routes_have_one_end(objects: Objects) -> list[str]:
    """Of the fields that say where a request goes there is one; of a string's matches, too."""
    faults = []
    for service in of_kind(objects, "VirtualService"):
        for index, route in enumerate(service["spec"].get("http") or []):
            where = f"{title(service)}: {route.get('name', index)}"
            ends = [end for end in ROUTE_ENDS if end in route]
            if len(ends) != 1:
                faults.append(f"{where}: ends in {ends or 'nothing'}")
            faults += [
                f"{where}: {shown(path)} matches by {sorted(value)}"
                for path, value in _string_matches(route)
                if len(value) != 1 or not value.keys() <= STRING_MATCHES
            ]
            retry_on = (route.get("retries") or {}).get("retryOn", "")
            unknown = {each.strip() for each in retry_on.split(",")} - {""} - RETRIES
            faults += [f"{where}: {each!r} is nothing to retry on" for each in sorted(unknown)]
    return faults


def _string_matches(route: Object) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for index, match in enumerate(route.get("match") or []):
        for name in MATCHED:
            if name in match:
                yield ("match", index, name), match[name]
        for group in ("headers", "queryParams", "withoutHeaders"):
            for name, value in (match.get(group) or {}).items():
                yield ("match", index, group, name), value


def no_route_is_hidden(objects: Objects) -> list[str]:
    """Behind a route that takes everything no other can be reached."""
    faults = []
    for service in of_kind(objects, "VirtualService"):
        routes = service["spec"].get("http") or []
        for index, route in enumerate(routes[:-1]):
            if not all(route.get("match") or [{}]):
                faults.append(f"{title(service)}: route {index} hides those after it")
    return faults


def proxy_annotations_are_known(parse: Callable[[str], Any]) -> Callable[[Objects], list[str]]:
    """`proxy.istio.io/config` is YAML inside YAML, which no schema looks into."""

    def check(objects: Objects) -> list[str]:
        faults = []
        for item in of_kind(objects, "Deployment", "StatefulSet", "Job"):
            metadata = item["spec"]["template"].get("metadata") or {}
            text = annotations({"metadata": metadata}).get("proxy.istio.io/config")
            config = parse(text) if text else {}
            faults += [
                f"{title(item)}: a proxy knows no {name}" for name in config.keys() - PROXY_CONFIG
            ]
            faults += [
                f"{title(item)}: {name}: {config[name]!r} is no duration"
                for name in config.keys() & DURATIONS
                if not is_duration(config[name])
            ]
        return faults

    return check
