"""Slips of the finger in rendered objects: kinds, fields at any depth, and values."""

from tests.chart.checks.schemas import VERSIONS
from tests.chart.planting import Plant, renamed, with_fields

CUSTOM = "custom_schemas"
LIMIT = "EnvoyFilter/ spec configPatches 1 patch value typed_per_filter_config"


def _kubernetes(target: str, value: object, says: str) -> tuple[Plant, ...]:
    """In whatever version of Kubernetes."""
    return tuple(Plant(f"kubernetes_{version}", target, value, says) for version in VERSIONS)


PLANTS = (
    *_kubernetes(
        "Deployment/headrace-auth spec template spec containers 0",
        renamed("readinessProbe", "readynessProbe"),
        "'readynessProbe' was unexpected",
    ),
    *_kubernetes("PodDisruptionBudget/headrace-auth kind", "PodDisruptionBudgets", "has no kind"),
    *_kubernetes("Service/headrace-auth apiVersion", "v2", "v2 has no kind Service"),
    *_kubernetes("Service/headrace-auth spec ports 0 port", "9000", "is not of type"),
    Plant(CUSTOM, "VirtualService/headrace-auth kind", "VirtualServices", "has no kind"),
    Plant(CUSTOM, "PeerAuthentication/headrace apiVersion", "security.istio.io/v2", "has no kind"),
    Plant(
        CUSTOM,
        "DestinationRule/headrace-auth spec trafficPolicy outlierDetection",
        renamed("consecutive5xxErrors", "consecutive5xxError"),
        "'consecutive5xxError' was unexpected",
    ),
    Plant(
        CUSTOM,
        "VirtualService/headrace-auth spec http 0 retries",
        renamed("perTryTimeout", "perTryTimeOut"),
        "'perTryTimeOut' was unexpected",
    ),
    Plant(
        CUSTOM,
        "AuthorizationPolicy/headrace-auth spec rules 0 from 0 source",
        renamed("principals", "principal"),
        "is not valid under any",
    ),
    Plant(CUSTOM, "PeerAuthentication/headrace spec mtls mode", "STRIKT", "is not one of"),
    Plant(
        CUSTOM,
        "Gateway/headrace-edge spec servers 0 tls",
        renamed("credentialName", "credential"),
        "'credential' was unexpected",
    ),
    Plant(
        CUSTOM,
        "Sidecar/headrace-auth spec outboundTrafficPolicy mode",
        "ALLOW_ALL",
        "is not one of",
    ),
    Plant(
        CUSTOM,
        "Telemetry/headrace spec",
        renamed("accessLogging", "accessLog"),
        "'accessLog' was unexpected",
    ),
    Plant(
        CUSTOM,
        "ScaledObject/ spec triggers 0 metadata",
        renamed("ignoreNullValues", "ignoreNullValue"),
        "'ignoreNullValue' was unexpected",
    ),
    Plant(CUSTOM, "ScaledObject/ spec", renamed("maxReplicaCount", "maxReplicas"), "maxReplicas"),
    Plant(
        CUSTOM,
        "PodMonitor/headrace spec podMetricsEndpoints 0",
        with_fields(interval="15"),
        "interval",
    ),
    Plant(
        CUSTOM,
        "ExternalSecret/headrace-secrets spec dataFrom 0 extract",
        renamed("key", "name"),
        "'name' was unexpected",
    ),
    Plant(
        "rate_limits",
        f"{LIMIT} envoy.filters.http.local_ratelimit token_bucket",
        renamed("fill_interval", "fill_intervall"),
        "'fill_intervall' was unexpected",
    ),
    Plant(
        "rate_limits",
        f"{LIMIT} envoy.filters.http.local_ratelimit token_bucket fill_interval",
        "1000ms",
        "fill_interval",
    ),
    Plant(
        "rate_limits",
        LIMIT,
        renamed("envoy.filters.http.local_ratelimit", "local_ratelimit"),
        "local_ratelimit",
    ),
    Plant("nothing_is_null", "Service/headrace-auth spec selector", None, "spec.selector is null"),
)
