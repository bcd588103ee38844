"""Linear layers with 8-bit weights and activations, whose rows do not depend on one another."""

from dataclasses import dataclass
from typing import Any

import torch

MINIMUM_WIDTH = 64
STEPS = 255
LEVELS = 127
LEVELS_WITHOUT_VNNI = 63
"""Older processors add products of 8 bits in 16: with 7-bit weights these cannot overflow."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Numbers as bytes: `lowest` + `step` * byte, each row with its own two."""

    bytes: torch.Tensor
    step: torch.Tensor
    lowest: torch.Tensor


class RowQuantizer:
    """Activations as unsigned bytes.

    Torch's own dynamic quantisation has one scale for all rows, so that a caller's tokens would
    depend on who else is in the batch. From the lowest to the highest number, rather than around
    nought, halves what is lost (of SmolLM2's next-token distribution: KL 0.03, not 0.05 nats).
    Layers that read the same input (query, key and value; gate and up) ask one after the other,
    hence the last answer is kept for them.
    """

    def __init__(self) -> None:
        self._last: tuple[torch.Tensor, int, Rows] | None = None

    def quantize(self, x: torch.Tensor) -> Rows:
        """The last dimension of `x` is that of rows."""
        last = self._last
        if last is not None and last[0] is x and last[1] == x._version:  # noqa: SLF001
            return last[2]
        lowest, highest = torch.aminmax(x, dim=-1, keepdim=True)
        step = (highest - lowest).clamp_min_(1e-12).div_(STEPS)
        rows = Rows((x - lowest).div_(step).round_().to(torch.uint8), step, lowest)
        self._last = (x, x._version, rows)  # noqa: SLF001
        return rows


class Int8Linear(torch.nn.Module):
    """A drop-in for torch.nn.Linear on CPU: y = x W^T + b with whole-number products in between."""

    def __init__(self, linear: Any, quantizer: RowQuantizer, levels: int) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = weight.abs().amax(1).clamp_min_(1e-12).div_(levels)
        quantized = (weight / scales[:, None]).round_().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(quantized, None)
        self._scales = scales
        self._zeros = torch.zeros(len(scales), dtype=torch.int64)
        self._sums = quantized.float().sum(1).mul_(scales)
        self._bias = None if linear.bias is None else linear.bias.detach().float()
        self._quantizer = quantizer
        self.out_features, self.in_features = weight.shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = self._quantizer.quantize(x)
        y = torch.ops.onednn.qlinear_pointwise(
            rows.bytes.flatten(0, -2), 1.0, 0, self._packed, self._scales, self._zeros,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        # what `lowest` stands for in each product, since the bytes count from there
        y = y.mul_(rows.step.flatten(0, -2)).addr_(rows.lowest.flatten(), self._sums)
        y = y.view(*x.shape[:-1], -1)
        return y if self._bias is None else y.add_(self._bias)


def quantize_linears(model: Any) -> None:
    """Replace every linear layer of a float32 model on CPU that is wide enough to gain from it."""
    levels = LEVELS if torch.cpu._is_vnni_supported() else LEVELS_WITHOUT_VNNI  # noqa: SLF001
    quantizer = RowQuantizer()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Linear) and min(child.weight.shape) >= MINIMUM_WIDTH:
                setattr(parent, name, Int8Linear(child, quantizer, levels))
