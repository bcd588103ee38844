"""Linear layers with 8-bit weights and activations, whose rows do not depend on one another."""

from typing import Any

import torch

MINIMUM_WIDTH = 64
ZERO_POINT = 128
LEVELS = 127
LEVELS_WITHOUT_VNNI = 63
"""Older processors add products of 8 bits in 16: with 7-bit weights these cannot overflow."""


class RowQuantizer:
    """Activations as unsigned bytes, each row with its own scale.

    Torch's own dynamic quantisation has one scale for all rows, so that a caller's tokens would
    depend on who else is in the batch. Layers that read the same input (query, key and value; gate
    and up) ask one after the other, hence the last answer is kept for them.
    """

    def __init__(self) -> None:
        self._last: tuple[torch.Tensor, int, torch.Tensor, torch.Tensor] | None = None

    def quantize(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Bytes around ZERO_POINT, and the scale of each row."""
        last = self._last
        if last is not None and last[0] is rows and last[1] == rows._version:  # noqa: SLF001
            return last[2], last[3]
        scales = rows.abs().amax(-1, keepdim=True).clamp_min_(1e-12).div_(LEVELS)
        quantized = (rows / scales).round_().add_(ZERO_POINT).to(torch.uint8)
        self._last = (rows, rows._version, quantized, scales)  # noqa: SLF001
        return quantized, scales


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
        self._bias = None if linear.bias is None else linear.bias.detach().float()
        self._quantizer = quantizer
        self.out_features, self.in_features = weight.shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        quantized, scales = self._quantizer.quantize(x)
        y = torch.ops.onednn.qlinear_pointwise(
            quantized.flatten(0, -2), 1.0, ZERO_POINT, self._packed, self._scales, self._zeros,
            None, 1.0, 0, torch.float32, "none", [], "",
        ).view(*x.shape[:-1], -1)  # fmt: skip
        y = y.mul_(scales)
        return y if self._bias is None else y.add_(self._bias)


def quantize_linears(model: Any) -> None:
    """Replace every linear layer of a float32 model on CPU that is wide enough to gain from it."""
    levels = LEVELS if torch.cpu._is_vnni_supported() else LEVELS_WITHOUT_VNNI  # noqa: SLF001
    quantizer = RowQuantizer()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.Linear) and min(child.weight.shape) >= MINIMUM_WIDTH:
                setattr(parent, name, Int8Linear(child, quantizer, levels))
