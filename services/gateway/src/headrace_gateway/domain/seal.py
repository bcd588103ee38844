"""Lets a signature pass only with the answer that it was made for."""

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import Protocol

from headrace_gateway.domain.completion import Delta, Event, Finished, FinishReason


class Seal:
    """Compares what the model said with what the caller gets, however either is cut into deltas.

    It does not ask what happened in between, so nothing that alters an answer can forget to say so.
    """

    def __init__(self, *, intact: bool = True) -> None:
        """`intact` unless the request was altered, which the signature is about, too."""
        self._request_intact = intact
        self._made = _Tally()
        self._given = _Tally()

    def note_made(self, event: Event) -> None:
        """The model's next event."""
        self._made.add(event)

    def check(self, event: Event) -> Event:
        """The caller's next event: the same one, or without a signature that no longer fits."""
        self._given.add(event)
        if isinstance(event, Finished) and event.signature and not self._intact():
            return replace(event, signature=None)
        return event

    def _intact(self) -> bool:
        return self._request_intact and self._made.result() == self._given.result()


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Tally:
    """What was said so far as hashes: of each choice's text, and of each part of its calls."""

    def __init__(self) -> None:
        self._said: defaultdict[tuple[object, ...], _Hash] = defaultdict(hashlib.sha256)
        self._reasons: tuple[FinishReason, ...] = ()

    def add(self, event: Event) -> None:
        if isinstance(event, Delta):
            self._hash(event.text, event.choice)
            for part in event.tool_calls:
                call = (event.choice, part.index)
                self._hash(part.id, *call, "id")
                self._hash(part.name, *call, "name")
                self._hash(part.arguments, *call, "arguments")
        elif isinstance(event, Finished):
            self._reasons = event.finish_reasons

    def result(self) -> tuple[dict[tuple[object, ...], bytes], tuple[FinishReason, ...]]:
        return {part: said.digest() for part, said in self._said.items()}, self._reasons

    def _hash(self, text: str, *part: object) -> None:
        if text:
            self._said[part].update(text.encode())
