"""What a spool measures: how much waits and for how long, and what went wrong with it."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from headrace_common.clock import Clock


@dataclass(slots=True)
class Backlog:
    """What waits to be acknowledged; `oldest_ms` (milliseconds since 1970) is None if nothing."""

    records: int = 0
    bytes: int = 0
    oldest_ms: int | None = None


class SpoolMetrics:
    """A spool's figures, exported from zero so that absence means a fault."""

    def __init__(self, registry: CollectorRegistry, backlog: Backlog, clock: Clock) -> None:
        def age_seconds() -> float:
            oldest_ms = backlog.oldest_ms
            return 0.0 if oldest_ms is None else clock.now().timestamp() - oldest_ms / 1000

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"headrace_spool_{name}", text, registry=registry)

        def counter(name: str, text: str) -> Counter:
            return Counter(f"headrace_spool_{name}", text, registry=registry)

        gauge("records", "Records not acknowledged.").set_function(lambda: backlog.records)
        gauge("bytes", "Bytes not acknowledged.").set_function(lambda: backlog.bytes)
        gauge("oldest_age_seconds", "Age of the oldest record.").set_function(age_seconds)
        self.rejected = counter("rejected", "Records that the receiver refused for good.")
        self.damaged = counter("damaged", "Runs of bytes in which no record could be read.")
        self.refused = counter("refused", "Appends refused because the spool was full.")
        self.interrupted = counter("interrupted", "Records of work that a killed process left.")
        self.failures = counter("write_failures", "Writes or syncs that the disk failed.")
