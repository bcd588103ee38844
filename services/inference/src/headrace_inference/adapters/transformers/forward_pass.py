"""One pass of the model: which tokens, in which slots, and whose logits are wanted."""

from collections.abc import Sequence
from typing import Any

import torch

from headrace_inference.adapters.transformers.attention import Group, Pass, SlotCache
from headrace_inference.adapters.transformers.spans import Span, plan_spans


class PassPlan:
    """The tokens of one pass."""

    def __init__(self, cache: SlotCache, device: Any) -> None:
        self._cache = cache
        self._device = device
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._cells: list[int] = []
        self._wanted: list[int] = []
        self._spans: list[tuple[Span, list[list[int | None]]]] = []

    def write(self, nexts: Sequence[tuple[int, int, int]]) -> None:
        """The next token of each, as (slot, position, token) in the order of slots."""
        places: dict[int, int] = {}
        for row, position, token in nexts:
            places[row] = self._add(row, position, token)
            self._wanted.append(places[row])
        for span in plan_spans([(row, position + 1) for row, position, _ in nexts]):
            rows = range(span.first, span.last + 1)
            self._spans.append((span, [[places.get(row)] for row in rows]))

    def read(self, row: int, start: int, tokens: Sequence[int], *, last: bool) -> None:
        """A piece of a prompt; after the last one logits are wanted."""
        places: list[int | None] = [
            self._add(row, start + offset, token) for offset, token in enumerate(tokens)
        ]
        self._spans.append((Span(row, row, start + len(tokens)), [places]))
        if last:
            self._wanted.append(len(self._tokens) - 1)

    def arguments(self) -> dict[str, Any]:
        """For the model; where no logits are wanted it computes those of one token."""
        groups = [self._group(span, places) for span, places in self._spans]
        return {
            "input_ids": self._tensor([self._tokens]),
            "position_ids": self._tensor([self._positions]),
            "use_cache": False,
            "logits_to_keep": self._tensor(self._wanted or [0]),
            "headrace_pass": Pass(self._cache, self._tensor(self._cells), groups),
        }

    def _add(self, row: int, position: int, token: int) -> int:
        self._tokens.append(token)
        self._positions.append(position)
        self._cells.append(self._cache.cell(row, position))
        return len(self._tokens) - 1

    def _group(self, span: Span, places: list[list[int | None]]) -> Group:
        behind = len(self._tokens)
        gather = [[place or 0 for place in row] for row in places]
        scatter = [[behind if place is None else place for place in row] for row in places]
        positions = [
            [0 if place is None else self._positions[place] for place in row] for row in places
        ]
        return Group(span, self._tensor(gather), self._tensor(scatter), self._tensor(positions))

    def _tensor(self, numbers: Any) -> torch.Tensor:
        return torch.tensor(numbers, device=self._device)
