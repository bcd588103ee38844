"""What a benchmark has to know of a running server."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Groups


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that speaks OpenAI's chat completions and echoes the last message."""

    name: str
    url: str
    model: str
    processes: Callable[[], Groups]
    """All that works for its requests, by part, as of now."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Entrant:
    """A server to be started, under its name, and all the doors at which it is then asked."""

    name: str
    start: Callable[[], AbstractContextManager[Sequence[Contestant]]]
    """Raises ContestantError."""
    is_slow: bool = False
    """A quick run asks it less."""
