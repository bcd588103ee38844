"""What the audit service measures beside its calls."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

from headrace_common.metrics import LATENCY_SECONDS

BATCH_EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class AuditMetrics:
    """What was stored and how long it took, exported from zero so that absence means a fault."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._stored = Counter(
            "headrace_audit_events_stored", "Events that were new.", registry=registry
        )
        self._duplicates = Counter(
            "headrace_audit_events_duplicate", "Events that were known.", registry=registry
        )
        self._batch = Histogram(
            "headrace_audit_batch_events",
            "Events per batch.",
            buckets=BATCH_EVENTS,
            registry=registry,
        )
        self._seconds = Histogram(
            "headrace_audit_record_seconds",
            "Time to check and store a batch, failed ones too.",
            buckets=LATENCY_SECONDS,
            registry=registry,
        )

    @contextmanager
    def time_batch(self) -> Iterator[None]:
        with self._seconds.time():
            yield

    def count_batch(self, *, stored: int, duplicates: int) -> None:
        self._stored.inc(stored)
        self._duplicates.inc(duplicates)
        self._batch.observe(stored + duplicates)
