"""Durations in short: percentiles only where there are enough samples for them."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

ENOUGH_FOR_PERCENTILES = 100


class Summary(BaseModel):
    """Many durations, in seconds; percentiles are None below 100 samples."""

    model_config = ConfigDict(frozen=True)

    count: int
    maximum: float
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Summary":
        if not seconds:
            return cls(count=0, maximum=0.0)
        ranked = sorted(seconds)
        if len(ranked) < ENOUGH_FOR_PERCENTILES:
            return cls(count=len(ranked), maximum=ranked[-1])
        return cls(
            count=len(ranked),
            maximum=ranked[-1],
            p50=_nearest_rank(ranked, 50),
            p95=_nearest_rank(ranked, 95),
            p99=_nearest_rank(ranked, 99),
        )


def _nearest_rank(ranked: Sequence[float], percent: int) -> float:
    """The smallest sample that at least `percent` of all do not exceed."""
    return ranked[-(-percent * len(ranked) // 100) - 1]
