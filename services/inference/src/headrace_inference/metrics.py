"""What the inference service measures for every request, refused and cancelled ones included."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import STATUS_OF_KIND
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.run import Run
from headrace_inference.domain.scheduler import Scheduler

FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160),
)
PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
DURATION = (*(0.01 * 2**step for step in range(14)), 160, 320)
QUEUE = (0.005, *DURATION)

VLLM_NAMES = MappingProxyType(
    {
        "llm_requests_waiting": "vllm:num_requests_waiting",
        "llm_requests_running": "vllm:num_requests_running",
        "llm_kv_cache_usage_ratio": "vllm:kv_cache_usage_perc",
    }
)
"""So that endpoint pickers of the Gateway API Inference Extension work unchanged."""


class InferenceMetrics:
    """The `llm_` metrics, exported from zero so that absence means a fault."""

    def __init__(self, registry: CollectorRegistry, scheduler: Scheduler) -> None:
        def histogram(name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, help_text, buckets=buckets, registry=registry)

        self._duration = histogram(
            "llm_request_duration_seconds", "From arrival to the end.", DURATION
        )
        self._first_token = histogram(
            "llm_time_to_first_token_seconds", "From arrival to the first token.", FIRST_TOKEN
        )
        self._per_token = histogram(
            "llm_time_per_output_token_seconds", "Between tokens of a choice.", PER_TOKEN
        )
        self._queue = histogram("llm_queue_time_seconds", "In the queue.", QUEUE)
        self._tokens = Counter("llm_tokens", "Tokens by type.", ["type"], registry=registry)
        self._requests = Counter(
            "llm_requests", "Requests that ended.", ["code", "finish_reason"], registry=registry
        )
        self._shed = Counter("llm_load_shed", "Refused for load.", ["reason"], registry=registry)
        self._show_load(registry, scheduler)
        self._export_zeros()

    def _show_load(self, registry: CollectorRegistry, scheduler: Scheduler) -> None:
        shown: dict[str, tuple[str, Callable[[LoadReport], float]]] = {
            "llm_requests_running": ("In the engine.", lambda load: load.running_requests),
            "llm_requests_waiting": ("In the queue.", lambda load: load.waiting_requests),
            "llm_slots": ("Choices that the engine runs at once.", lambda load: load.slots),
            "llm_tokens_in_flight": ("In the engine.", lambda load: load.tokens_in_flight),
            "llm_tokens_per_second": ("Made of late.", lambda load: load.tokens_per_second),
            "llm_kv_cache_usage_ratio": ("Of its tokens' memory.", lambda load: load.memory_used),
            "llm_saturation": ("Slots asked for per slot.", lambda load: load.saturation),
        }
        for name, (help_text, value) in shown.items():
            for each in filter(None, (name, VLLM_NAMES.get(name))):
                gauge = Gauge(each, help_text, registry=registry)
                gauge.set_function(partial(_of_now, scheduler, value))

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
        if run.left_queue is None:
            return
        self._queue.observe(run.timings().queue)
        self._tokens.labels("prompt").inc(run.prompt_tokens)
        self._tokens.labels("completion").inc(run.completion_tokens)
        if run.first_token is not None:
            self._first_token.observe(run.first_token - run.arrived)
        if (seconds := run.seconds_per_token()) is not None:
            self._per_token.observe(seconds)

    def _export_zeros(self) -> None:
        for kind in ("prompt", "completion"):
            self._tokens.labels(kind)
        for code, reason in (("OK", "stop"), ("OK", "length"), ("CANCELLED", ""), ("INTERNAL", "")):
            self._requests.labels(code, reason)
        self._shed.labels("queue_full")


def _of_now(scheduler: Scheduler, value: Callable[[LoadReport], float]) -> float:
    return value(scheduler.load())
