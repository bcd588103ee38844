"""What the gateway measures: stages, requests by outcome, and the caller's view of a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Histogram

from headrace_common.errors import KIND_OF_REASON
from headrace_gateway.domain.exchange import Activity, Exchange, Outcome, outcome_of

STAGES = ("identify", "admit", "guard_prompt", "look_up")
STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
FIRST_TOKEN_SECONDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160),
)
REQUEST_SECONDS = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24),
    *(20.48, 40.96, 81.92, 160, 320),
)


class GatewayMetrics:
    """One per process; every series exists from the start, so that absence means a fault."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stages = _stages(registry)
        self._requests = Counter(
            "headrace_gateway_requests",
            "Requests that ended, by activity, outcome and reason.",
            ["activity", "outcome", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "headrace_gateway_request_seconds",
            "From a request's arrival to the end of its answer.",
            ["activity"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._export_zeros()
        self._first_token_seconds = Histogram(
            "headrace_gateway_time_to_first_token_seconds",
            "From a request's arrival to its first token; answers from the cache are left out.",
            buckets=FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        self._admitted_alone = Counter(
            "headrace_gateway_admitted_alone",
            "Requests that this gateway decided on with its own share of the limits.",
            registry=registry,
        )
        self._cache = Counter(
            "headrace_gateway_cache", "Completions by cache status.", ["status"], registry=registry
        )
        for status in ("hit", "miss", "bypass"):
            self._cache.labels(status)
        self._guard = _guard_decisions(registry)

    def _export_zeros(self) -> None:
        """Else a rate would miss the first failure of each kind, and a scaler wait for traffic."""
        for activity in Activity:
            self._requests.labels(activity, Outcome.SUCCEEDED, "")
            self._seconds.labels(activity)
        for activity in (Activity.COMPLETION, Activity.EMBEDDING):
            for reason, kind in KIND_OF_REASON.items():
                self._requests.labels(activity, outcome_of(kind), reason.value)

    @contextmanager
    def time_stage(self, stage: str) -> Iterator[None]:
        """Time the block as one stage of the pipeline."""
        started = perf_counter()
        try:
            yield
        finally:
            self._stages[stage].observe(perf_counter() - started)

    def count(self, exchange: Exchange, seconds: float) -> None:
        """Count a request that ended."""
        ended_by = exchange.error.reason if exchange.error else exchange.cut_by
        reason = ended_by.value if ended_by else ""
        if exchange.admission is not None and exchange.admission.local:
            self._admitted_alone.inc()
        self._requests.labels(exchange.activity, exchange.outcome, reason).inc()
        self._seconds.labels(exchange.activity).observe(seconds)
        if exchange.first_token_seconds is not None and exchange.cache_status != "hit":
            self._first_token_seconds.observe(exchange.first_token_seconds)
        if exchange.cache_status:
            self._cache.labels(exchange.cache_status).inc()
        for decision in set(exchange.guard_decisions):
            self._guard.labels(*decision.split(":")).inc()


def _guard_decisions(registry: CollectorRegistry) -> Counter:
    return Counter(
        "headrace_gateway_guard_decisions",
        "What guard rules decided, by side, rule and action; a request counts once for each.",
        ["side", "rule", "action"],
        registry=registry,
    )


def _stages(registry: CollectorRegistry) -> dict[str, Histogram]:
    stage_seconds = Histogram(
        "headrace_gateway_stage_seconds",
        "Time in one stage of the pipeline.",
        ["stage"],
        buckets=STAGE_SECONDS,
        registry=registry,
    )
    return {stage: stage_seconds.labels(stage) for stage in STAGES}
