"""What the inference service measures for every request, refused and cancelled ones included.

Nothing is labelled with a tenant, user, key or request. Exemplars are for trace ids, which this
service has none of before there is tracing, so there are no exemplars yet.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import STATUS_OF_KIND
from headrace_inference.domain.events import FinishReason
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.objectives import FIRST_TOKEN_EDGES, PER_TOKEN_EDGES, Objectives
from headrace_inference.domain.run import Run, Stage
from headrace_inference.domain.scheduler import Scheduler
from headrace_inference.renamed import Renamed

DURATION_EDGES = (*(0.01 * 2**step for step in range(14)), 160, 320)
QUEUE_EDGES = (0.005, *DURATION_EDGES)

FAILURES = (
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
)
"""The gRPC statuses of requests that end badly here."""
ABORTS = ("CANCELLED", "DEADLINE_EXCEEDED")
"""Those of an answer whose caller left, or that took too long."""


class InferenceMetrics:
    """The `llm_` metrics, exported from zero: absence means a fault, and a rate sees the first."""

    def __init__(
        self, registry: CollectorRegistry, scheduler: Scheduler, objectives: Objectives
    ) -> None:
        def histogram(name: str, help_text: str, edges: tuple[float, ...]) -> Histogram:
            return Histogram(name, help_text, buckets=edges, registry=registry)

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(name, help_text, labels, registry=registry)

        self._objectives = objectives
        self._duration = histogram(
            "llm_request_duration_seconds", "From arrival to the end.", DURATION_EDGES
        )
        self._first_token = histogram(
            "llm_time_to_first_token_seconds", "From arrival to the first token.", FIRST_TOKEN_EDGES
        )
        self._per_token = histogram(
            "llm_time_per_output_token_seconds", "Between tokens of a choice.", PER_TOKEN_EDGES
        )
        self._queue = histogram("llm_queue_time_seconds", "In the queue.", QUEUE_EDGES)
        self._tokens = counter("llm_tokens_total", "Tokens by type.", "type")
        self._requests = counter(
            "llm_requests_total", "Requests that ended.", "code", "finish_reason"
        )
        self._good = counter("llm_goodput_requests_total", "Texts that met the objectives.")
        self._aborts = counter(
            "llm_stream_aborts_total", "Texts whose caller left or whose time was up.", "stage"
        )
        self._shed = counter("llm_load_shed_total", "Refused for load.", "reason")
        self._asked = counter("llm_prefix_cache_queries_total", "Prompt tokens for the engine.")
        self._known = counter("llm_prefix_cache_hits_total", "Of these, already read before.")
        self._show_as_vllm(registry, self._show_load(registry, scheduler))
        self._export_zeros()

    def _show_load(self, registry: CollectorRegistry, scheduler: Scheduler) -> dict[str, Gauge]:
        shown: dict[str, tuple[str, Callable[[LoadReport], float]]] = {
            "llm_requests_running": ("In the engine.", lambda load: load.running_requests),
            "llm_requests_waiting": ("In the queue.", lambda load: load.waiting_requests),
            "llm_slots": ("Choices that the engine runs at once.", lambda load: load.slots),
            "llm_tokens_in_flight": ("In the engine.", lambda load: load.tokens_in_flight),
            "llm_tokens_per_second": ("Made of late.", lambda load: load.tokens_per_second),
            "llm_kv_cache_usage_ratio": ("Of its tokens' memory.", lambda load: load.memory_used),
            "llm_saturation": ("Slots asked for per slot.", lambda load: load.saturation),
        }
        gauges = {}
        for name, (help_text, value) in shown.items():
            gauges[name] = Gauge(name, help_text, registry=registry)
            gauges[name].set_function(partial(_of_now, scheduler, value))
        return gauges

    def _show_as_vllm(self, registry: CollectorRegistry, load: dict[str, Gauge]) -> None:
        """So that endpoint pickers of the Gateway API Inference Extension, and autoscalers made for
        vLLM, work unchanged. Histograms do not come twice: that took a quarter of a scrape's CPU.
        """
        same: dict[str, Collector] = {
            "vllm:num_requests_waiting": load["llm_requests_waiting"],
            "vllm:num_requests_running": load["llm_requests_running"],
            "vllm:kv_cache_usage_perc": load["llm_kv_cache_usage_ratio"],
            "vllm:prefix_cache_queries_total": self._asked,
            "vllm:prefix_cache_hits_total": self._known,
            "vllm:prompt_tokens_total": self._tokens.labels("prompt"),
            "vllm:generation_tokens_total": self._tokens.labels("completion"),
        }
        for name, source in same.items():
            registry.register(Renamed(source, name))

    @contextmanager
    def measure(self, run: Run) -> Iterator[None]:
        """Record `run` when the block ends, whichever way."""
        code = "OK"
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except HeadraceError as error:
            code = STATUS_OF_KIND[error.kind].name
            if error.reason is Reason.QUEUE_FULL:
                self._shed.labels("queue_full").inc()
            raise
        except Exception:
            code = "INTERNAL"
            raise
        finally:
            self._record(run, code)

    def _record(self, run: Run, code: str) -> None:
        self._requests.labels(code, run.finish_reason or "").inc()
        self._duration.observe(run.total_seconds())
        if code in ABORTS and not run.complete:
            self._aborts.labels(run.stage).inc()
        if run.left_queue is None:
            return
        self._queue.observe(run.timings().queue)
        self._tokens.labels("prompt").inc(run.prompt_tokens)
        self._tokens.labels("completion").inc(run.completion_tokens)
        self._asked.inc(run.prompt_tokens)
        self._known.inc(run.cached_tokens)
        if (seconds := run.seconds_to_first_token()) is not None:
            self._first_token.observe(seconds)
        if (seconds := run.seconds_per_token()) is not None:
            self._per_token.observe(seconds)
        if code == "OK" and self._objectives.met_by(run):
            self._good.inc()

    def _export_zeros(self) -> None:
        for kind in ("prompt", "completion"):
            self._tokens.labels(kind)
        for reason in ("", *FinishReason):  # embeddings have none
            self._requests.labels("OK", reason)
        for code in FAILURES:
            self._requests.labels(code, "")
        for stage in Stage:
            self._aborts.labels(stage)
        self._shed.labels("queue_full")


def _of_now(scheduler: Scheduler, value: Callable[[LoadReport], float]) -> float:
    return value(scheduler.load())
