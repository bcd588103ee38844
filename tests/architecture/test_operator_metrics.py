"""What docs/operations measures is measured: names of metrics, and the labels that they have."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector
from pydantic import SecretStr
from tests.architecture import operator_pages as pages

from headrace_audit.metrics import AuditMetrics
from headrace_auth.metrics import AuthMetrics
from headrace_cache.metrics import CacheMetrics
from headrace_common.grpc_interceptors import measure_calls
from headrace_common.lateness import never_late
from headrace_common.spool.metrics import Backlog, SpoolMetrics
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.adapters.policy_file import PolicyFile
from headrace_gateway.limiting import with_fallback
from headrace_gateway.metrics import GatewayMetrics
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.settings import GatewaySettings
from headrace_inference.domain.objectives import Objectives
from headrace_inference.domain.scheduler import Scheduler, SchedulerBounds
from headrace_inference.metrics import InferenceMetrics

OF_OTHERS = {
    "certmanager_certificate_expiration_timestamp_seconds",
    "envoy_cluster_circuit_breakers_default_rq_open",
    "envoy_cluster_outlier_detection_ejections_active",
    "envoy_cluster_upstream_rq_pending_overflow",
    "envoy_cluster_upstream_rq_retry",
    "envoy_headrace_edge_http_local_rate_limit_rate_limited",
    "istio_requests_total",
    "keda_scaled_object_errors_total",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "kube_horizontalpodautoscaler_status_condition",
    "kube_horizontalpodautoscaler_status_desired_replicas",
}
"""Of Envoy, Istio, KEDA, kube-state-metrics and cert-manager, as their documents have them."""
NO_METRICS = {"headrace_audit", "headrace_auth"}
"""Roles of the database."""
OF_SCRAPES = {"namespace", "pod", "le", "headrace_dev_track", "headrace_dev_model_server"}
"""Labels that the PodMonitor adds, and the edges of histograms."""
METRIC = re.compile(r"\b(?:headrace|llm|grpc|certmanager|envoy|istio|keda|kube)_[a-z0-9_]+\b(?!\.)")
LABELLED = re.compile(r"([a-z][a-z0-9_]+)\{([^}]*)\}")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
POLICIES = pages.ROOT / "services/gateway/src/headrace_gateway/default_guard_policies.yaml"
every_page = pytest.mark.parametrize("page", pages.PAGES, ids=pages.label)


@every_page
def test_every_metric_that_is_named_exists(page: Path) -> None:
    named = {name for query in pages.queries(page) for name in METRIC.findall(query)}
    assert named - set(_labels()) - OF_OTHERS - OF_SCRAPES - NO_METRICS == set()


@every_page
def test_every_label_that_is_asked_for_exists(page: Path) -> None:
    asked = [found for query in pages.queries(page) for found in LABELLED.findall(query)]
    for metric, selectors in asked:
        if metric in _labels():
            wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", selectors))
            assert wanted - _labels()[metric] - OF_SCRAPES == set(), metric


def test_queries_are_found() -> None:
    named = {
        name
        for page in pages.PAGES
        for query in pages.queries(page)
        for name in METRIC.findall(query)
    }
    assert {"llm_queue_time_seconds_bucket", "headrace_gateway_guard_policies_current"} <= named
    assert named >= OF_OTHERS


class Recording(CollectorRegistry):
    """A registry that tells who is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        super().register(collector)
        self.collectors.append(collector)


@cache
def _labels() -> Mapping[str, set[str]]:
    """The names of all series of our services, each with the labels of its metric."""
    found: dict[str, set[str]] = {}
    for service in (_gateway, _inference, _others):
        registry = Recording()
        service(registry)
        for collector in registry.collectors:
            family = next(iter(collector.collect()))
            labels = set(getattr(collector, "_labelnames", ()))
            found |= {family.name + suffix: labels for suffix in SUFFIXES[family.type]}
    return found


def _gateway(registry: CollectorRegistry) -> None:
    settings = GatewaySettings(
        auth_target="auth:9000",
        cache_target="cache:9000",
        audit_target="audit:9000",
        models={"chat": "chat:9000"},
        admission_redis_url=SecretStr("redis://redis:6379"),
        spool_directory=Path("spool"),
    )
    clock = FakeClock()
    GatewayMetrics(registry)
    RoutingMetrics(registry)
    SpoolMetrics(registry, Backlog(), clock)
    limiter = MemoryLimiter(clock, lease_seconds=30)
    with_fallback(limiter, settings, clock, registry, never_late)
    PolicyFile(POLICIES, registry, maximum_prompt_characters=100, refresh_seconds=1)


def _inference(registry: CollectorRegistry) -> None:
    bounds = SchedulerBounds(
        slots=1,
        context_tokens=1,
        waiting_requests=1,
        waiting_tokens=1,
        waiting_seconds=1,
        ageing_seconds=1,
    )
    scheduler = Scheduler(bounds, FakeClock())
    InferenceMetrics(registry, scheduler, Objectives(first_token_seconds=1, per_token_seconds=1))


def _others(registry: CollectorRegistry) -> None:
    AuthMetrics(registry)
    CacheMetrics(registry)
    AuditMetrics(registry)
    measure_calls(registry, FakeClock())
