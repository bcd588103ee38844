"""Answers token by token, of the engine and of the library, and whether they are the same."""

from dataclasses import dataclass
from typing import Any

import torch

from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.domain.events import TokenLogprob
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.testing import collect

NEW_TOKENS = 12
END = 2
"""The end token of the default model, and of those that borrow its tokenizer."""


@dataclass(frozen=True)
class Line:
    """Tokens as bytes, each with its logprob and how far the second best token was behind."""

    tokens: list[bytes]
    logprobs: list[float]
    gaps: list[float]


def line_of(entries: list[TokenLogprob]) -> Line:
    return Line(
        [entry.token_bytes for entry in entries],
        [entry.logprob for entry in entries],
        [entry.top[0].logprob - entry.top[1].logprob for entry in entries],
    )


async def line(engine: TransformersEngine, request: GenerationRequest) -> Line:
    """What the engine answers; `request` asks for two top logprobs."""
    got = await collect(engine, request)
    return line_of([entry for delta in got.deltas for entry in delta.logprobs])


def generated(model: Any, tokenizer: Any, grammar: Any, prompt: str) -> Line:
    """What `generate` answers alone, without the end token."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        out = model.generate(
            ids, do_sample=False, max_new_tokens=NEW_TOKENS,
            output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
    tokens = [token for token in out.sequences[0, ids.shape[1] :].tolist() if token != END]
    logprobs = torch.log_softmax(torch.cat(out.logits), -1)[: len(tokens)]
    best = logprobs.topk(2).values
    return Line(
        [grammar.decode_bytes([token]) for token in tokens],
        [float(row[token]) for row, token in zip(logprobs, tokens, strict=True)],
        (best[:, 0] - best[:, 1]).tolist(),
    )


def first_difference(ours: Line, theirs: Line) -> int | None:
    pairs = enumerate(zip(ours.tokens, theirs.tokens, strict=False))
    return next((at for at, (our, their) in pairs if our != their), None)


def epsilon_of(pairs: list[tuple[Line, Line]]) -> float:
    """How far two tokens' order can be changed by rounding: twice the largest error of a logprob,
    measured as long as the texts are the same."""
    errors = [0.0]
    for ours, theirs in pairs:
        same = first_difference(ours, theirs)
        both = zip(ours.logprobs[:same], theirs.logprobs[:same], strict=False)
        errors += [abs(our - their) for our, their in both]
    return 2 * max(errors)


def expect_same_but_for_ties(pairs: list[tuple[Line, Line]], *, most: float) -> None:
    """`pairs` are (ours, reference); `most` bounds the measured epsilon itself."""
    epsilon = epsilon_of(pairs)
    differences = [(first_difference(ours, lone), lone) for ours, lone in pairs]
    ties = [lone.gaps[at] for at, lone in differences if at is not None]
    print(f"{len(ties)} of {len(pairs)} differ, epsilon {epsilon:.1e}")  # noqa: T201
    assert epsilon < most
    assert [gap for gap in ties if gap > epsilon] == []
    assert len(ties) <= len(pairs) // 10
