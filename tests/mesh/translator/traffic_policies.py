"""DestinationRules: how a cluster of Envoy treats the pods behind a Service.

The defaults are istiod's (its pilot/pkg/networking/core), not those of Envoy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.mesh.translator.cluster import Labels, Port, Service, Workload, selects
from tests.mesh.translator.fields import Fields, UntranslatedError
from tests.mesh.translator.objects import Object, Rendered, spec_of, title

Config = dict[str, Any]
UNLIMITED = 2**32 - 1
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
BLOCKS = ("connectionPool", "loadBalancer", "outlierDetection", "tls")
ALGORITHMS = ("LEAST_REQUEST", "RANDOM", "ROUND_ROBIN")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a DestinationRule says of a Service, or of a subset of it."""

    cluster: Config
    """Fields of the cluster."""
    mutual_tls: bool = True
    """istiod's default where the other side has a proxy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A DestinationRule as its blocks stand in it; those of a subset take the whole one's place."""

    name: str
    blocks: Mapping[str, Any] = field(default_factory=dict)
    subsets: Mapping[str, tuple[Labels, Mapping[str, Any]]] = field(default_factory=dict)

    def policy(self, port: Port, subset: str | None = None) -> Policy:
        """For calls to a Service's port."""
        own = self.subsets[subset][1] if subset else {}
        path = f"{self.name}{'.' + subset if subset else ''}"
        return _translate({**self.blocks, **own}, path, port)

    def labels(self, subset: str) -> Labels:
        if subset not in self.subsets:
            raise UntranslatedError(f"{self.name} has no subset {subset!r}")
        return self.subsets[subset][0]


def rule_for(rendered: Rendered, service: Service, caller: Workload | None) -> Rule:
    """The one DestinationRule that this caller's proxy heeds for a Service; an empty one if there
    is none."""
    rules = []
    for each in rendered.mesh["DestinationRule"]:
        spec = spec_of(each)
        host = spec.needed("host")
        with spec.inner("workloadSelector") as chosen:
            labels = chosen.labels("matchLabels")
        spec.take("exportTo")  # all are of one namespace, which every value of it lets see them
        rule = _read(each, spec)
        spec.end()
        meant = rendered.service(host, each["metadata"]["namespace"]) == service
        if meant and selects(labels, caller.labels if caller else {}):
            rules.append(rule)
    if len(rules) > 1:
        names = ", ".join(rule.name for rule in rules)
        raise UntranslatedError(f"{service.host}: only one of {names} would be heeded")
    return rules[0] if rules else Rule(f"no DestinationRule for {service.name}")


def _read(value: Object, spec: Fields) -> Rule:
    with spec.inner("trafficPolicy") as policy:
        blocks = _blocks(policy)
    subsets = {}
    for subset in spec.each("subsets"):
        name, labels = subset.needed("name"), subset.labels("labels")
        with subset.inner("trafficPolicy") as policy:
            subsets[name] = (labels, _blocks(policy))
    return Rule(title(value), blocks, subsets)


def _blocks(policy: Fields) -> dict[str, Any]:
    return {name: policy.take(name) for name in BLOCKS if name in policy}


def _translate(blocks: Mapping[str, Any], path: str, port: Port) -> Policy:
    policy = Fields(dict(blocks), path)
    with policy.inner("connectionPool") as pool:
        cluster = connection_pool(pool, port)
    has_outliers = "outlierDetection" in policy
    with policy.inner("outlierDetection") as outliers:
        cluster |= _outlier_detection(outliers) if has_outliers else {}
    with policy.inner("loadBalancer") as balancer:
        cluster |= _load_balancer(balancer, has_outliers=has_outliers)
    with policy.inner("tls") as tls:
        mode = tls.text("mode", "ISTIO_MUTUAL")
    if mode not in ("ISTIO_MUTUAL", "DISABLE"):
        raise UntranslatedError(f"{path}.tls.mode: {mode!r} is not translated")
    policy.end()
    return Policy(cluster, mutual_tls=mode == "ISTIO_MUTUAL")


def connection_pool(pool: Fields, port: Port) -> Config:
    """Circuit breakers, time limits of connections, and the protocol."""
    with pool.inner("tcp") as tcp:
        connections = _limit(tcp, "maxConnections")
        connect_timeout = tcp.duration("connectTimeout") or "10s"
        tcp_idle, longest = tcp.duration("idleTimeout"), tcp.duration("maxConnectionDuration")
        keepalive = _keepalive(tcp)
    with pool.inner("http") as http:
        pending = _limit(http, "http1MaxPendingRequests")
        requests = _limit(http, "http2MaxRequests")
        retries = _limit(http, "maxRetries")
        idle = http.duration("idleTimeout") or tcp_idle
        per_connection = http.number("maxRequestsPerConnection")
        streams = http.number("maxConcurrentStreams")
        http.only("h2UpgradePolicy", "DEFAULT", "each port says what it speaks")
    thresholds = {
        "max_connections": connections,
        "max_pending_requests": pending,
        "max_requests": requests,
        "max_retries": retries,
        "track_remaining": True,
    }
    common = _present(
        idle_timeout=idle,
        max_connection_duration=longest,
        max_requests_per_connection=per_connection or None,
    )
    return {
        "connect_timeout": connect_timeout,
        "circuit_breakers": {"thresholds": [thresholds]},
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol(port, common, streams)},
        **keepalive,
    }


def _limit(fields: Fields, name: str) -> int:
    """istiod takes 0 for "not said"."""
    return fields.number(name) or UNLIMITED


def _keepalive(tcp: Fields) -> Config:
    if "tcpKeepalive" not in tcp:
        return {}
    with tcp.inner("tcpKeepalive") as keepalive:
        said = _present(
            keepalive_probes=keepalive.number("probes"),
            keepalive_time=_whole_seconds(keepalive.duration("time")),
            keepalive_interval=_whole_seconds(keepalive.duration("interval")),
        )
    return {"upstream_connection_options": {"tcp_keepalive": said}}


def _whole_seconds(duration: str | None) -> int | None:
    return None if duration is None else round(float(duration.removesuffix("s")))


def _protocol(port: Port, common: Config, streams: int | None) -> Config:
    options: Config = {}
    if port.is_http2:
        options["http2_protocol_options"] = _present(max_concurrent_streams=streams or None)
    else:
        options["http_protocol_options"] = {}
    return {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "explicit_http_config": options,
        **({"common_http_protocol_options": common} if common else {}),
    }


def _outlier_detection(fields: Fields) -> Config:
    split = fields.flag("splitExternalLocalOriginErrors")
    local = fields.number("consecutiveLocalOriginFailures")
    detection = {
        "enforcing_success_rate": 0,
        **_consecutive(fields, "consecutive5xxErrors", "consecutive_5xx"),
        **_consecutive(fields, "consecutiveGatewayErrors", "consecutive_gateway_failure"),
        **_present(
            interval=fields.duration("interval"),
            base_ejection_time=fields.duration("baseEjectionTime"),
            max_ejection_percent=fields.number("maxEjectionPercent") or None,
        ),
    }
    if split:
        detection["split_external_local_origin_errors"] = True
        detection["enforcing_local_origin_success_rate"] = 0
        if local:
            detection["consecutive_local_origin_failure"] = local
            detection["enforcing_consecutive_local_origin_failure"] = 100
    healthy = {"healthy_panic_threshold": {"value": fields.number("minHealthPercent", 0)}}
    return {"outlier_detection": detection, "common_lb_config": healthy}


def _consecutive(fields: Fields, name: str, envoys: str) -> Config:
    """So many failures in a row eject; 0 means never, and Envoy's own default holds if unsaid."""
    count = fields.number(name)
    if count is None:
        return {}
    return {envoys: count, f"enforcing_{envoys}": 100 if count else 0}


def _load_balancer(fields: Fields, *, has_outliers: bool) -> Config:
    algorithm = fields.text("simple", "LEAST_REQUEST")
    if algorithm not in ALGORITHMS:
        raise UntranslatedError(f"{fields.path}.simple: {algorithm!r} is not translated")
    with fields.inner("localityLbSetting") as locality:
        if locality.flag("enabled", default=has_outliers):
            raise UntranslatedError(f"{locality.path}: pods have no locality here; disable it")
    config: Config = {"lb_policy": algorithm}
    if "warmup" in fields:
        with fields.inner("warmup") as warmup:
            config[f"{algorithm.lower()}_lb_config"] = {"slow_start_config": _slow_start(warmup)}
    return config


def _slow_start(warmup: Fields) -> Config:
    share = warmup.number("minimumPercent")
    return _present(
        slow_start_window=warmup.duration("duration"),
        min_weight_percent=None if share is None else {"value": share},
    )


def _present(**values: Any) -> Config:
    """Those that were said."""
    return {name: value for name, value in values.items() if value is not None}
