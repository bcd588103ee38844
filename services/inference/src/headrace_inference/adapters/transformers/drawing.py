"""How one choice's next token is drawn, with its own parameters and random stream."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headrace_inference.domain.requests import Sampling

LIKELY = 256
"""Tokens among which the nucleus usually is; sorting a whole vocabulary takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A token, with its logprob and the likeliest ones' if they were asked for.

    With a `failure` it is none, and its choice cannot go on.
    """

    token: int
    logprob: float = 0.0
    top: Sequence[tuple[int, float]] = ()
    failure: Exception | None = None


class TokenDrawer:
    """Bias, format, penalties, temperature, nucleus, draw: in the order of OpenAI's description.

    Penalties count the prompt's tokens too. Each token takes one number of the choice's own random
    stream and finds it in the cumulated probabilities in the order of the vocabulary, so that a
    tiny difference of the logits, such as other company in a batch makes, seldom changes a token.
    """

    def __init__(
        self, sampling: Sampling, choice: int, prompt_tokens: Sequence[int], form: Any = None
    ) -> None:
        self._sampling = sampling
        self._form = form
        self._random = random.Random(  # noqa: S311 - repeatable, not secret
            None if sampling.seed is None else f"{sampling.seed}/{choice}"
        )
        self._bias = sampling.logit_bias
        self._seen: tuple[int, ...] = tuple(prompt_tokens)
        self._counts: torch.Tensor | None = None

    @property
    def takes_the_likeliest(self) -> bool:
        """Whether nothing but the largest logit counts, so that a batch can be drawn at once."""
        sampling = self._sampling
        plain = sampling.temperature == 0 and not self._bias and self._form is None
        return plain and not self._punishes

    @property
    def top_logprobs(self) -> int | None:
        """How many logprobs are asked for beside the drawn token's, None for not even that."""
        return self._sampling.top_logprobs

    @property
    def _punishes(self) -> bool:
        return bool(self._sampling.frequency_penalty or self._sampling.presence_penalty)

    def draw(self, logits: torch.Tensor) -> int:
        """A token for logits of shape (vocabulary,), which are left as they are."""
        scores = logits.float().clone()
        for token, bias in self._bias.items():
            scores[token] += bias
        if self._form is not None:
            self._form.restrict(scores)
        if self._punishes:
            self._punish(scores)
        token = self._choose(scores)
        if self._form is not None:
            self._form.take(token)
        if self._counts is not None:
            self._counts[token] += 1
        return token

    def _choose(self, scores: torch.Tensor) -> int:
        if self._sampling.temperature == 0:
            return int(scores.argmax())
        probabilities = torch.softmax(scores / self._sampling.temperature, -1)
        if self._sampling.top_p < 1:
            probabilities = nucleus(probabilities, self._sampling.top_p)
        cumulated = probabilities.double().cumsum(0)
        drawn = self._random.random() * float(cumulated[-1])
        found = torch.searchsorted(cumulated, cumulated.new_tensor([drawn]), right=True)
        return min(int(found), len(cumulated) - 1)

    def _punish(self, scores: torch.Tensor) -> None:
        if self._counts is None:
            seen = torch.tensor(self._seen, dtype=torch.int64, device=scores.device)
            self._counts = torch.bincount(seen, minlength=len(scores)).to(scores.dtype)
        scores -= self._sampling.frequency_penalty * self._counts
        scores -= self._sampling.presence_penalty * (self._counts > 0)


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The likeliest tokens that together reach `top_p`, at least one; all others become 0."""
    for size in (min(LIKELY, len(probabilities)), len(probabilities)):
        values, tokens = probabilities.topk(size)
        before = values.double().cumsum(0) - values
        inside = before < top_p
        if size == len(probabilities) or not bool(inside[-1]):
            break
    kept = torch.zeros_like(probabilities)
    kept[tokens[inside]] = values[inside]
    return kept


def draw_all(drawers: Sequence[TokenDrawer], logits: torch.Tensor) -> list[Drawn]:
    """A token for each drawer, or its own failure; `logits` are (drawers, vocabulary)."""
    if not drawers:
        return []
    best = logits.argmax(-1).tolist()
    return [
        _drawn(drawer, row, likely)
        for drawer, row, likely in zip(drawers, logits, best, strict=True)
    ]


def _drawn(drawer: TokenDrawer, logits: torch.Tensor, likely: int) -> Drawn:
    try:
        token = likely if drawer.takes_the_likeliest else drawer.draw(logits)
        if drawer.top_logprobs is None:
            return Drawn(token)
        return Drawn(token, *likeliest(logits, token, drawer.top_logprobs))
    except Exception as error:  # noqa: BLE001 - this choice's own, not that of its company
        return Drawn(likely, failure=error)


def likeliest(logits: torch.Tensor, token: int, top: int) -> tuple[float, list[tuple[int, float]]]:
    """The natural logarithms of the token's probability, and of the `top` likeliest ones'."""
    logprobs = torch.log_softmax(logits.float(), -1)
    values, tokens = logprobs.topk(top)
    found = zip(tokens.tolist(), values.tolist(), strict=True)
    return _finite(float(logprobs[token])), [(other, _finite(value)) for other, value in found]


def _finite(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else -1e9
