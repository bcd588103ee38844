"""What the load generator is told to do, and what it tells afterwards, as lines of JSON."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.samples import Summary

READY = "ready"
"""The generator's word when it is warm; it measures once it has read GO."""
GO = "go"


class Plan(BaseModel):
    """One cell: the same request again and again, over as many connections as `concurrency`."""

    model_config = ConfigDict(frozen=True)

    url: str
    headers: dict[str, str]
    ca_file: Path | None
    model: str
    prompt: str
    streamed: bool
    concurrency: int
    warm_up_seconds: float
    seconds: float
    """Requests are begun for so long; those in flight then are waited for and count."""


class Outcome(BaseModel):
    """What the generator saw."""

    model_config = ConfigDict(frozen=True)

    answered: int
    errors: int
    """Answers with another status or text than they should have, and broken connections."""
    first_error: str
    seconds: float
    """From the first request to the last answer."""
    latency: Summary
    first_token: Summary
    """Streams only."""
    own_cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds
