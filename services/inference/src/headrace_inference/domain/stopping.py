"""Finds stop texts in a stream whose pieces may split them anywhere."""


class StopScanner:
    """Passes text on as soon as it cannot be part of a stop text any more.

    llama.cpp's own stop search drops text that it holds back when `max_tokens` ends the answer
    (seen in xllamacpp 2026.10.11549), so the service searches itself, the same way for all engines.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """The text that may go out now, and whether a stop text was met (then nothing follows)."""
        seen = self._held + text
        starts = [at for at in (seen.find(stop) for stop in self._stops) if at >= 0]
        if starts:
            self._held = ""
            return seen[: min(starts)], True
        keep = self._undecided(seen)
        self._held = seen[len(seen) - keep :]
        return seen[: len(seen) - keep], False

    def flush(self) -> str:
        """What was held back, now that no more text will come."""
        held, self._held = self._held, ""
        return held

    def _undecided(self, seen: str) -> int:
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(seen)), 0, -1):
            if any(stop.startswith(seen[-length:]) for stop in self._stops):
                return length
        return 0
