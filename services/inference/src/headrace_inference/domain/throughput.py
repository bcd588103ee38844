"""How many tokens a second are made, of late."""

import math

from headrace_common.clock import Clock

MEMORY_SECONDS = 10.0
"""After so long a token counts for a third (1/e) of what it counted at first."""


class Throughput:
    """An exponentially weighted rate; it rises from 0 over the first `MEMORY_SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens = 0.0
        self._since = clock.monotonic()

    def add(self, tokens: int) -> None:
        """Count tokens that have just been made, or fewer than 0 where a guess was too high."""
        self._fade()
        self._tokens += tokens

    def per_second(self) -> float:
        """Tokens a second."""
        self._fade()
        return max(0.0, self._tokens / MEMORY_SECONDS)

    def _fade(self) -> None:
        now = self._clock.monotonic()
        self._tokens *= math.exp((self._since - now) / MEMORY_SECONDS)
        self._since = now
