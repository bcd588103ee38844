"""The rows of completions, embeddings and models."""

import base64
import math
from typing import Any

from tests.e2e.conformance.chat_sampling import (
    LONGEST,
    RIVER,
    ends_at_a_bound,
    same,
    within,
)
from tests.e2e.conformance.checks import ABSENT, DRAWN, TOKENS, Check, Method, Outcome

from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID

text = Method("completions.create")
embeddings = Method("embeddings.create")
models = Method("models.list")
model = Method("models.retrieve")


def whole(outcome: Outcome) -> bool:
    answer = outcome.answer
    shape = (answer["object"], answer["model"])
    return answer["id"].startswith("cmpl-") and shape == ("text_completion", MODEL_ID)


def logprobs(outcome: Outcome) -> Any:
    return outcome.choices[0]["logprobs"]


def usage_last(outcome: Outcome) -> bool:
    last = outcome.chunks[-1]
    return not last["choices"] and int(last["usage"]["total_tokens"]) > 0


def vectors(outcome: Outcome, count: int, dimensions: int) -> bool:
    """So many, of length 1."""
    found = [entry["embedding"] for entry in outcome.answer["data"]]
    return len(found) == count and all(
        len(vector) == dimensions and math.isclose(math.hypot(*vector), 1, abs_tol=1e-3)
        for vector in found
    )


def names(outcome: Outcome) -> list[str]:
    return [entry["id"] for entry in outcome.answer["data"]]


COMPLETIONS: list[Check] = [
    text.default("model", "the model's name in a whole answer", whole),
    text.refusal("model", {"model": "gpt-0"}, "model_not_found", status=404),
    text.default("prompt", "a text is continued", lambda got: bool(got.texts[0])),
    text.edge("prompt", {"prompt": ["One, two,"]}, "an array of one", within),
    text.refusal("prompt", {"prompt": ["one", "two"]}, "unsupported_parameter"),
    text.refusal("prompt", {"prompt": [1, 2, 3]}, "unsupported_parameter"),
    text.refusal("prompt", {"prompt": ""}, "invalid_value"),
    text.default(
        "max_tokens",
        "16 tokens, OpenAI's default",
        lambda got: got.tokens == 16,
        max_tokens=ABSENT,
        logit_bias={RIVER: 100},  # which goes on for ever
    ),
    text.edge("max_tokens", {"max_tokens": 1}, "one token", ends_at_a_bound),
    text.refusal("max_tokens", {"max_tokens": 0}, "integer_below_min_value"),
    text.refusal("max_tokens", {"max_tokens": LONGEST + 1}, "integer_above_max_value"),
    text.default("temperature", "an answer", within, **DRAWN),
    text.edge("temperature", {"temperature": 0}, "the same text twice", same, times=2),
    text.refusal("temperature", {"temperature": 3}, "decimal_above_max_value"),
    text.default("top_p", "an answer", within),
    text.edge("top_p", {"top_p": 0, **DRAWN}, "the same text twice", same, times=2),
    text.refusal("top_p", {"top_p": -1}, "decimal_below_min_value"),
    text.default("n", "one choice", lambda got: len(got.choices) == 1),
    text.edge("n", {"n": 5}, "five choices", lambda got: len(got.choices) == 5),
    text.refusal("n", {"n": 6}, "integer_above_max_value"),
    text.default("stop", "to the bound", ends_at_a_bound),
    text.edge(
        "stop",
        {"stop": ["six"], "max_tokens": 30},
        "up to that text",
        lambda got: "five" in got.texts[0] and "six" not in got.texts[0],
    ),
    text.refusal("stop", {"stop": list("abcde")}, "array_above_max_length"),
    text.default("seed", "an answer", within),
    text.edge("seed", {"seed": 7, **DRAWN}, "the same text twice at temperature 1", same, times=2),
    text.refusal("seed", {"seed": "seven"}, "invalid_type"),
    text.default("logprobs", "none", lambda got: logprobs(got) is None),
    text.edge(
        "logprobs",
        {"logprobs": 5},
        "five beside each token, and where it begins",
        lambda got: (
            len(logprobs(got)["top_logprobs"][0]) == 5 and logprobs(got)["text_offset"][0] == 0
        ),
    ),
    text.refusal("logprobs", {"logprobs": 6}, "integer_above_max_value"),
    text.default("frequency_penalty", "an answer", within),
    text.edge("frequency_penalty", {"frequency_penalty": -2}, "an answer", within),
    text.refusal("frequency_penalty", {"frequency_penalty": -3}, "decimal_below_min_value"),
    text.default("presence_penalty", "an answer", within),
    text.edge("presence_penalty", {"presence_penalty": 2}, "an answer", within),
    text.refusal("presence_penalty", {"presence_penalty": 3}, "decimal_above_max_value"),
    text.default("logit_bias", "an answer", within),
    text.edge(
        "logit_bias",
        {"logit_bias": {RIVER: 100}},
        "nothing but that token",
        lambda got: got.texts == [" river" * TOKENS],
    ),
    text.refusal("logit_bias", {"logit_bias": {RIVER: -101}}, "decimal_below_min_value"),
    text.default("stream", "a whole answer", whole),
    text.edge(
        "stream", {"stream": True, **DRAWN}, "pieces of text", lambda got: len(got.indexes) > 1
    ),
    text.refusal("stream", {"stream": 1}, "invalid_type"),
    text.edge(
        "stream_options",
        {"stream": True, "stream_options": {"include_usage": True}, **DRAWN},
        "usage in a last chunk",
        usage_last,
    ),
    text.refusal("stream_options", {"stream_options": {}}, "invalid_value"),
    text.edge("user", {"user": "u"}, "an answer", within),
    text.refusal("user", {"user": 7}, "invalid_type"),
    text.edge("echo", {"echo": False}, "an answer", within),
    text.refusal("echo", {"echo": True}, "unsupported_parameter"),
    text.edge(
        "best_of", {"best_of": 2, "n": 2}, "no more than n", lambda got: len(got.choices) == 2
    ),
    text.refusal("best_of", {"best_of": 2}, "unsupported_parameter"),
    text.edge("suffix", {"suffix": None}, "an answer", within),
    text.refusal("suffix", {"suffix": "!"}, "unsupported_parameter"),
    text.refusal("nonsense", {"nonsense": 1}, "unknown_parameter"),
]

EMBEDDINGS: list[Check] = [
    embeddings.default(
        "model", "the model's name", lambda got: got.answer["model"] == EMBEDDING_MODEL_ID
    ),
    embeddings.refusal("model", {"model": "gpt-0"}, "model_not_found", status=404),
    embeddings.refusal("model", {"model": MODEL_ID}, "unsupported_parameter"),
    embeddings.default("input", "the vector of a text", lambda got: vectors(got, 1, 384)),
    embeddings.edge(
        "input",
        {"input": [f"river {number}" for number in range(32)]},
        "a vector of each text",
        lambda got: vectors(got, 32, 384),
    ),
    embeddings.refusal("input", {"input": ""}, "empty_string"),
    embeddings.refusal("input", {"input": []}, "empty_array"),
    embeddings.refusal("input", {"input": ["x"] * 2049}, "array_above_max_length"),
    embeddings.refusal("input", {"input": [1, 2, 3]}, "unsupported_parameter"),
    embeddings.refusal("input", {"input": [[1], [2]]}, "unsupported_parameter"),
    embeddings.refusal(
        "input", {"input": ["short", "word " * 600]}, "context_length_exceeded", "input[1]"
    ),
    embeddings.default("dimensions", "all of them", lambda got: vectors(got, 1, 384)),
    embeddings.edge("dimensions", {"dimensions": 1}, "one", lambda got: vectors(got, 1, 1)),
    embeddings.edge("dimensions", {"dimensions": 384}, "all", lambda got: vectors(got, 1, 384)),
    embeddings.refusal("dimensions", {"dimensions": 0}, "integer_below_min_value"),
    embeddings.refusal("dimensions", {"dimensions": 385}, "invalid_value"),
    embeddings.default("encoding_format", "numbers", lambda got: vectors(got, 1, 384)),
    embeddings.edge(
        "encoding_format",
        {"encoding_format": "float"},
        "numbers",
        lambda got: vectors(got, 1, 384),
    ),
    embeddings.edge(
        "encoding_format",
        {"encoding_format": "base64"},
        "little-endian floats in base64",
        lambda got: len(base64.b64decode(got.answer["data"][0]["embedding"])) == 4 * 384,
    ),
    embeddings.refusal("encoding_format", {"encoding_format": "hex"}, "invalid_value"),
    embeddings.edge("user", {"user": "u"}, "a vector", lambda got: vectors(got, 1, 384)),
    embeddings.refusal("user", {"user": 7}, "invalid_type"),
    embeddings.refusal("nonsense", {"nonsense": 1}, "unknown_parameter"),
    embeddings.refusal("key", {}, "model_not_found", "model", status=404, key="one_model"),
]

MODELS: list[Check] = [
    models.default("key", "all models", lambda got: names(got) == [EMBEDDING_MODEL_ID, MODEL_ID]),
    models.edge(
        "key",
        {},
        "one: those that the key may use",
        lambda got: names(got) == [MODEL_ID],
        key="one_model",
    ),
    models.refusal("key", {}, "invalid_api_key", None, status=401, key="wrong"),
    model.default(
        "model",
        "the model, and what it can in `headrace`",
        lambda got: (
            got.answer["owned_by"] == "headrace"
            and "response_format" in got.answer["headrace"]["parameters"]
        ),
    ),
    model.edge(
        "model",
        {"model": EMBEDDING_MODEL_ID},
        "the dimensions of an embedding",
        lambda got: got.answer["headrace"]["embedding_dimensions"] == 384,
    ),
    model.refusal("model", {"model": "gpt-0"}, "model_not_found", status=404),
    model.refusal(
        "model", {"model": EMBEDDING_MODEL_ID}, "model_not_found", status=404, key="one_model"
    ),
]
