"""llama.cpp's server as the llamacpp engine sees it, on its bad days."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

SECONDS = 60

OnChunk = Callable[[Mapping[str, Any]], bool]


class Valve:
    """Where threads wait before each word: open to all, or to as many as are let through."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._let_through = 0
        self._failures = 0

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._let_through = self._failures = 0
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._open = False

    def let_through(self, words: int) -> None:
        """Those that come first, while others go on waiting."""
        with self._changed:
            self._let_through += words
            self._changed.notify_all()

    def fail(self) -> None:
        """The next one that comes, or waits."""
        with self._changed:
            self._failures += 1
            self._changed.notify_all()

    def wait(self) -> None:
        """Until there is a way through; raises RuntimeError for whom is to fail."""
        with self._changed:
            if not self._changed.wait_for(self._is_passable, SECONDS):
                raise TimeoutError
            if self._failures:
                self._failures -= 1
                raise RuntimeError("as it was told")
            if not self._open:
                self._let_through -= 1

    def _is_passable(self) -> bool:
        return self._open or self._let_through > 0 or self._failures > 0


class TroubledLibrary:
    """Says "word" again and again, one at a time through its valve, where a model would write.

    It keeps the real server, whose listener reads prompts, and never has it write.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self.valve = Valve()

    def handle_completions(self, body: Mapping[str, Any], on_chunk: OnChunk) -> None:
        """As the library has it: calls back for each chunk, until that returns True."""
        tokens = len(body["prompt"])
        progress = {"prompt_progress": {"total": tokens, "processed": tokens}}
        self.valve.wait()
        if on_chunk(_chunk(0, "", 0) | progress):
            return
        for number in range(1, body["max_tokens"] + 1):
            for choice in range(body["n"]):
                self.valve.wait()
                last = number == body["max_tokens"]
                if on_chunk(_chunk(choice, "word ", number, "length" if last else None)):
                    return


def _chunk(choice: int, text: str, tokens: int, finish: str | None = None) -> dict[str, Any]:
    part = {"index": choice, "text": text, "finish_reason": finish, "logprobs": None}
    return {"choices": [part], "timings": {"predicted_n": tokens}}
