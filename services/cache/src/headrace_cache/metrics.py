"""What the cache service measures beside its calls."""

from prometheus_client import CollectorRegistry, Counter


class CacheMetrics:
    """Hits and misses, exported from zero so that absence means a fault."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            "headrace_cache_lookups", "Look-ups that were answered.", ["result"], registry=registry
        )
        self._hits = lookups.labels("hit")
        self._misses = lookups.labels("miss")

    def count_lookup(self, *, hit: bool) -> None:
        (self._hits if hit else self._misses).inc()
