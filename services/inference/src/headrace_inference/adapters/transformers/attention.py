"""Attention of one packed pass over a static cache: every running choice's new tokens at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.spans import Span

NAME = "headrace_slots"
"""Under which models are told to call `attend`; no mask is made for names the library knows not."""


class SlotCache:
    """Keys and values, `slots` times `context_tokens` of them, of each layer.

    Layers take their memory when they are first met, since only then their shapes are known. It is
    zeroed: what a mask hides is still multiplied, by nought, and what lies about may be no number.
    """

    def __init__(self, slots: int, context_tokens: int) -> None:
        self._slots = slots
        self._context_tokens = context_tokens
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def write(
        self, layer: int, cells: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put keys and values, (tokens, heads, width), into `cells`.

        Returns the layer's, (slots, heads, positions, width).
        """
        if layer not in self._layers:
            self._layers[layer] = (self._room_for(key), self._room_for(value))
        keys, values = self._layers[layer]
        keys.flatten(0, 1).index_copy_(0, cells, key)
        values.flatten(0, 1).index_copy_(0, cells, value)
        return keys.transpose(1, 2), values.transpose(1, 2)

    def cell(self, row: int, position: int) -> int:
        """Where a slot's position is."""
        return row * self._context_tokens + position

    def copy(self, source: int, target: int, length: int) -> None:
        """Give a slot the first `length` positions of another."""
        for keys, values in self._layers.values():
            keys[target, :length] = keys[source, :length]
            values[target, :length] = values[source, :length]

    def _room_for(self, states: torch.Tensor) -> torch.Tensor:
        return states.new_zeros(self._slots, self._context_tokens, *states.shape[1:])


@dataclass(slots=True)
class Group:
    """A span's new tokens: `gather` and `scatter` are their places in the pass, (rows, queries).

    A slot between others that has no new token computes for nothing: it gathers the first token's
    query and scatters behind the last token.
    """

    span: Span
    gather: torch.Tensor
    scatter: torch.Tensor
    positions: torch.Tensor
    masks: dict[tuple[int, int | None], torch.Tensor] = field(default_factory=dict)

    def mask(self, repeats: int, window: int | None, dtype: Any) -> torch.Tensor:
        """What to add to the scores, (rows, 1, repeats * queries, length); layers share it."""
        key = (repeats, window)
        if key not in self.masks:
            at = torch.arange(self.span.length, device=self.positions.device)
            here = self.positions[..., None]
            hidden = at > here
            if window is not None:
                hidden |= at <= here - window
            added = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
            added.masked_fill_(hidden, float("-inf"))
            self.masks[key] = added.repeat(1, repeats, 1)[:, None]
        return self.masks[key]


@dataclass(frozen=True, slots=True)
class Pass:
    """What `attend` must know of the tokens that go through the model together."""

    cache: SlotCache
    cells: torch.Tensor
    groups: Sequence[Group]


def register() -> None:
    """Make the library know `attend` by its name."""
    AttentionInterface.register(NAME, attend)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,  # noqa: ARG001 - made here instead
    *,
    headrace_pass: Pass,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of one layer; query, key and value are (1, heads, tokens, width).

    Heads that share keys are computed as if they were further queries, so that keys are not copied.
    """
    refuse_unknown(others)
    keys, values = headrace_pass.cache.write(
        module.layer_idx, headrace_pass.cells, key[0].transpose(0, 1), value[0].transpose(0, 1)
    )
    queries = query[0].transpose(0, 1)
    tokens, heads, width = queries.shape
    shared = heads // keys.shape[1]
    out = query.new_empty(tokens + 1, heads, values.shape[-1])
    for group in headrace_pass.groups:
        rows, each = group.gather.shape
        span = slice(group.span.first, group.span.last + 1)
        asked = queries[group.gather.flatten()].view(rows, each, -1, shared, width)
        found = torch.nn.functional.scaled_dot_product_attention(
            asked.permute(0, 2, 3, 1, 4).reshape(rows, -1, shared * each, width),
            keys[span, :, : group.span.length],
            values[span, :, : group.span.length],
            attn_mask=group.mask(shared, sliding_window, query.dtype),
            scale=scaling,
        )
        found = found.view(rows, -1, shared, each, found.shape[-1]).permute(0, 3, 1, 2, 4)
        out[group.scatter.flatten()] = found.reshape(rows * each, heads, -1)
    return out[None, :tokens], None


def refuse_unknown(others: dict[str, Any]) -> None:
    """Raise ENGINE_FAILED for what would change the scores and is not implemented here."""
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            message = f"the model's attention needs {name}, which this engine does not have"
            raise HeadraceError(Reason.ENGINE_FAILED, message)
