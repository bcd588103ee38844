"""Sentence embeddings: an encoder's states, pooled and normalised."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from headrace_inference.adapters.transformers.directory import CannotLoadError

POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}


def read_pooling(directory: Path) -> str:
    """`mean` over tokens, or the `first` one's, as sentence-transformers has noted; else `mean`.

    Raises CannotLoadError for other ways.
    """
    note = directory / "1_Pooling" / "config.json"
    if not note.is_file():
        return "mean"
    noted = json.loads(note.read_text())
    asked = [name for name, value in noted.items() if name.startswith("pooling_mode") and value]
    if len(asked) != 1 or asked[0] not in POOLINGS:
        raise CannotLoadError(f"its pooling ({', '.join(asked)}) is neither mean nor first token")
    return POOLINGS[asked[0]]


class Encoder:
    """Belongs to one thread."""

    def __init__(self, model: Any, pooling: str) -> None:
        self._model = model
        self._pooling = pooling

    def vectors(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        """One of length 1 for the tokens of each text."""
        longest = max(map(len, texts))
        tokens = [[*text, *[0] * (longest - len(text))] for text in texts]
        present = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
        ids, mask = (torch.tensor(rows, device=self._model.device) for rows in (tokens, present))
        with torch.no_grad():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            if self._pooling == "first":
                pooled = states[:, 0]
            else:
                pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            found: list[list[float]] = torch.nn.functional.normalize(pooled, dim=-1).tolist()
        return found
