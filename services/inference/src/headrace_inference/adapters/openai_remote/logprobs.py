"""Log probabilities in the two shapes that servers have for them."""

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from headrace_inference.domain.events import TokenLogprob

ESCAPED = "bytes:"
"""How OpenAI's text completions write a token that is no whole characters: `bytes:\\xe2\\x80`."""

MAXIMUM_BYTES = 256
"""Of one token; common vocabularies have runs of 128 spaces."""


def token_logprobs(logprobs: Mapping[str, Any] | None, top: int | None) -> list[TokenLogprob]:
    """Of a chunk's choice; none if `top` is None, else with so many alternatives at most.

    `content` has one object for each token: chat, and llama.cpp's text completions. `tokens`,
    `token_logprobs` and `top_logprobs` are lists side by side: other text completions.
    """
    if logprobs is None or top is None:
        return []
    if "tokens" not in logprobs:
        return [_from_object(entry, top) for entry in logprobs.get("content") or ()]
    alternatives = logprobs.get("top_logprobs") or ()
    columns = zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
    return [
        TokenLogprob(token, _bytes(token), float(logprob), _from_mapping(others or {}, top))
        for (token, logprob), others in zip_longest(columns, alternatives)
    ]


def _from_object(entry: Mapping[str, Any], top: int) -> TokenLogprob:
    token = entry["token"]
    told = entry.get("bytes")
    return TokenLogprob(
        token=token,
        token_bytes=token.encode() if told is None else _told_bytes(told),
        logprob=float(entry["logprob"]),
        top=tuple(_from_object(other, 0) for other in (entry.get("top_logprobs") or ())[:top]),
    )


def _told_bytes(told: Any) -> bytes:
    # a list, since `bytes` makes as many zeros as a number says
    if not isinstance(told, list) or len(told) > MAXIMUM_BYTES:
        raise ValueError("bytes")
    return bytes(told)


def _from_mapping(others: Mapping[str, float], top: int) -> tuple[TokenLogprob, ...]:
    likeliest = sorted(others.items(), key=lambda item: -item[1])[:top]
    return tuple(TokenLogprob(token, _bytes(token), float(lp)) for token, lp in likeliest)


def _bytes(token: str) -> bytes:
    if not token.startswith(ESCAPED):
        return token.encode()
    return bytes(int(byte, 16) for byte in re.findall(r"\\x([0-9a-fA-F]{2})", token))
