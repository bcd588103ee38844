"""Whether a server is worth asking: after failures in a row it is left out for a while."""

from dataclasses import dataclass

MAXIMUM_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class CircuitRules:
    """When a server is ejected, and for how long: twice as long each time, up to a bound."""

    failures: int = 5
    seconds: float = 1.0
    maximum_seconds: float = 30.0


class Circuit:
    """Closed, open for some time after failures in a row, then half open: one request tries it.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, rules: CircuitRules) -> None:
        self._rules = rules
        self._failures = 0
        self._ejections = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing speaks against the server."""
        return self._open_until is None

    def keeps_out(self, now: float) -> bool:
        """Whether a request should go elsewhere."""
        if self._open_until is None:
            return False
        return now < self._open_until or self._trying

    def begin(self, now: float) -> bool:
        """Somebody asks the server; True for the one who tries it out, who calls `end_trial`."""
        if self._open_until is None or now < self._open_until or self._trying:
            return False
        self._trying = True
        return True

    def end_trial(self) -> None:
        """Whoever tried the server has done so, whatever came of it."""
        self._trying = False

    def speaks(self) -> None:
        """The server has begun to answer: it may be asked again."""
        self._open_until = None
        self._trying = False

    def succeed(self) -> None:
        """It has answered: failures before this are forgotten."""
        self._open_until = None
        self._failures = self._ejections = 0

    def fail(self, now: float) -> None:
        """It could not answer."""
        if self._open_until is not None:
            if now >= self._open_until:
                self._eject(now)
            return  # what had begun before the ejection may fail late
        self._failures += 1
        if self._failures >= self._rules.failures:
            self._eject(now)

    def try_again(self, now: float) -> None:
        """There are signs of life: the next request may try, without waiting longer."""
        if self._open_until is not None:
            self._open_until = min(self._open_until, now)

    def _eject(self, now: float) -> None:
        doublings = min(self._ejections, MAXIMUM_DOUBLINGS)
        seconds = min(self._rules.seconds * 2**doublings, self._rules.maximum_seconds)
        self._open_until = now + seconds
        self._ejections += 1
        self._failures = 0
