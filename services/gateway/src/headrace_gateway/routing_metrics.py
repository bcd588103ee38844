"""What the gateway measures of its targets: retries, fallbacks, ejections, load."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from headrace_common.errors import Reason
from headrace_gateway.domain.failover import ELSEWHERE


class RoutingMetrics:
    """One per process. Targets and models come from the route table, so there are few of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._retries = Counter(
            "headrace_gateway_retries",
            "Requests that another target was asked for, by what the one before it said.",
            ["reason"],
            registry=registry,
        )
        for reason in ELSEWHERE:
            self._retries.labels(reason.value)
        self._fallbacks = Counter(
            "headrace_gateway_fallbacks",
            "Requests that a target of a later group was asked for, by the model of the request.",
            ["model"],
            registry=registry,
        )
        self._ejected = Gauge(
            "headrace_gateway_target_ejected",
            "1 from a target's ejection until it answers again.",
            ["target"],
            registry=registry,
        )
        self._saturation = Gauge(
            "headrace_gateway_target_saturation",
            "Slots asked for per slot there is, as the target tells it.",
            ["target"],
            registry=registry,
        )

    def count_retry(self, reason: Reason) -> None:
        self._retries.labels(reason.value).inc()

    def count_fallback(self, model: str) -> None:
        self._fallbacks.labels(model).inc()

    def add(self, target: str) -> None:
        """A target that is in the table has its series, whatever happens to it."""
        self.show_circuit(target, ejected=False)
        self.show_saturation(target, 0.0)

    def remove(self, target: str) -> None:
        """One that is in it no more has none."""
        self._ejected.remove(target)
        self._saturation.remove(target)

    def show_circuit(self, target: str, *, ejected: bool) -> None:
        self._ejected.labels(target).set(ejected)

    def show_saturation(self, target: str, saturation: float) -> None:
        self._saturation.labels(target).set(saturation)
