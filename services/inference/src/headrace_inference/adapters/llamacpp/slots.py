"""Which of llama.cpp's slots a prompt goes to, so that it finds its own tenant's prefix there."""

from collections.abc import Hashable
from itertools import takewhile

from headrace_inference.domain.leaving import Leaving

Tokens = tuple[int, ...]
Read = tuple[Hashable, Tokens]
"""A prompt and its owner."""
WORTHWHILE_TOKENS = 16
"""Shorter prefixes are as quickly read as another slot's longer one is lost."""


class Seat(Leaving):
    """A slot that one prompt has until `leave`; `cached` of its first tokens are read already."""

    def __init__(self, table: "SlotTable", slot: int, cached: int, read: Read) -> None:
        self._table: SlotTable | None = table
        self._read = read
        self.slot = slot
        self.cached = cached

    def has_read(self, tokens: int) -> None:
        """So many of the prompt's; until this is known nobody may reuse what the slot has."""
        if self._table is not None:
            owner, prompt = self._read
            self._table.remember(self.slot, (owner, prompt[:tokens]))

    def leave(self) -> None:
        table, self._table = self._table, None
        if table is not None:
            table.free(self.slot)


class SlotTable:
    """Remembers whose prompt each slot has read last; only its owner's next prompt may reuse it.

    An owner is whoever may learn from the timing of an answer what was asked before. The caller
    takes no more seats than there are slots.
    """

    def __init__(self, slots: int) -> None:
        self._free = list(range(slots))
        """Those that have been free for longest first."""
        self._read: dict[int, Read] = {}

    def take(self, owner: Hashable, prompt: Tokens) -> Seat:
        """The free slot with the longest prefix of the prompt, else the one free for longest."""
        cached = {slot: self._cached(slot, owner, prompt) for slot in self._free}
        best = max(self._free, key=lambda slot: cached[slot])
        slot = best if cached[best] >= WORTHWHILE_TOKENS else self._free[0]
        self._free.remove(slot)
        self._read.pop(slot, None)
        return Seat(self, slot, cached[slot], (owner, prompt))

    def remember(self, slot: int, read: Read) -> None:
        """Called by Seat."""
        self._read[slot] = read

    def free(self, slot: int) -> None:
        """Called by Seat."""
        self._free.append(slot)

    def forget(self) -> None:
        """Nothing is known of any slot any more."""
        self._read.clear()

    def _cached(self, slot: int, owner: Hashable, prompt: Tokens) -> int:
        known, read = self._read.get(slot, (None, ()))
        if known != owner:
            return 0
        pairs = zip(read, prompt, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
