"""The rows of `chat.completions.create` about how an answer is drawn, its end, and its form."""

import json

from tests.e2e.conformance.checks import ABSENT, DRAWN, TOKENS, Check, Method, Outcome

chat = Method("chat.completions.create")
RIVER = "4626"
"""The model's token of " river"."""
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
LONGEST = 2**31 - 1
LARGEST = 2**53 - 1
"""What JavaScript can say exactly."""


def form(schema: object, **more: object) -> dict[str, object]:
    described = {"name": "city", "schema": schema, **more}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def within(outcome: Outcome) -> bool:
    return 0 < outcome.tokens <= TOKENS


def same(first: Outcome, second: Outcome) -> bool:
    return bool(first.texts[0]) and first.texts == second.texts


def ends_at_a_bound(outcome: Outcome) -> bool:
    return outcome.reasons == {"length"}


def tops(outcome: Outcome) -> set[int]:
    """How many likeliest tokens stand beside each."""
    entries = outcome.choices[0]["logprobs"]["content"]
    assert all(entry["logprob"] <= 0 and entry["bytes"] for entry in entries)
    return {len(entry["top_logprobs"]) for entry in entries}


def city(outcome: Outcome) -> bool:
    return bool(json.loads(outcome.texts[0]) == {"city": "Rome"})


DRAWING: list[Check] = [
    chat.default("temperature", "an answer, drawn at 1", within, **DRAWN),
    chat.edge("temperature", {"temperature": 0}, "the same text twice", same, times=2),
    chat.edge("temperature", {"temperature": 2}, "an answer", within),
    chat.edge("temperature", {"temperature": None}, "an answer, as without it", within),
    chat.refusal("temperature", {"temperature": 2.1}, "decimal_above_max_value"),
    chat.refusal("temperature", {"temperature": -0.1}, "decimal_below_min_value"),
    chat.refusal("temperature", {"temperature": "hot"}, "invalid_type"),
    chat.default("top_p", "an answer, drawn from all tokens", within),
    chat.edge(
        "top_p", {"top_p": 0, **DRAWN}, "the likeliest tokens: the same text twice", same, times=2
    ),
    chat.edge("top_p", {"top_p": 1, **DRAWN}, "an answer", within),
    chat.refusal("top_p", {"top_p": 1.1}, "decimal_above_max_value"),
    chat.default("seed", "an answer", within),
    chat.edge("seed", {"seed": 7, **DRAWN}, "the same text twice at temperature 1", same, times=2),
    chat.edge("seed", {"seed": LARGEST, **DRAWN}, "an answer", within),
    chat.edge("seed", {"seed": -1, **DRAWN}, "an answer", within),
    chat.refusal("seed", {"seed": 1.5}, "invalid_type"),
    chat.default("frequency_penalty", "an answer", within),
    chat.edge("frequency_penalty", {"frequency_penalty": 2}, "an answer", within),
    chat.edge("frequency_penalty", {"frequency_penalty": -2}, "an answer", within),
    chat.refusal("frequency_penalty", {"frequency_penalty": 2.1}, "decimal_above_max_value"),
    chat.default("presence_penalty", "an answer", within),
    chat.edge("presence_penalty", {"presence_penalty": 2}, "an answer", within),
    chat.edge("presence_penalty", {"presence_penalty": -2}, "an answer", within),
    chat.refusal("presence_penalty", {"presence_penalty": -2.1}, "decimal_below_min_value"),
    chat.default("logit_bias", "an answer", within),
    chat.edge(
        "logit_bias",
        {"logit_bias": {RIVER: 100}},
        "nothing but that token",
        lambda got: got.texts == [" river" * TOKENS],
    ),
    chat.edge(
        "logit_bias",
        {"logit_bias": {RIVER: -100}},
        "never that token",
        lambda got: " river " not in got.texts[0],
    ),
    chat.refusal("logit_bias", {"logit_bias": {RIVER: 100.5}}, "decimal_above_max_value"),
    chat.refusal("logit_bias", {"logit_bias": {"river": 1}}, "invalid_value"),
    chat.refusal("logit_bias", {"logit_bias": {"4000000000": 1}}, "invalid_value"),
    chat.default("n", "one choice", lambda got: len(got.choices) == 1),
    chat.edge(
        "n",
        {"n": 5},
        "five choices, by index",
        lambda got: [choice["index"] for choice in got.choices] == [0, 1, 2, 3, 4],
    ),
    chat.refusal("n", {"n": 6}, "integer_above_max_value"),
    chat.refusal("n", {"n": 0}, "integer_below_min_value"),
    chat.default(
        "logprobs", "no log probabilities", lambda got: got.choices[0]["logprobs"] is None
    ),
    chat.edge(
        "logprobs", {"logprobs": True}, "those of the tokens alone", lambda got: tops(got) == {0}
    ),
    chat.refusal("logprobs", {"logprobs": 3}, "invalid_type"),
    chat.default(
        "top_logprobs", "none beside each token", lambda got: tops(got) == {0}, logprobs=True
    ),
    chat.edge(
        "top_logprobs",
        {"logprobs": True, "top_logprobs": 20},
        "twenty beside each token",
        lambda got: tops(got) == {20},
    ),
    chat.refusal("top_logprobs", {"logprobs": True, "top_logprobs": 21}, "integer_above_max_value"),
    chat.refusal("top_logprobs", {"top_logprobs": 2}, "invalid_value"),
]

ENDING: list[Check] = [
    chat.default(
        "max_completion_tokens",
        "as long as the model writes",
        lambda got: got.reasons == {"stop"} and got.tokens > TOKENS,
        max_completion_tokens=ABSENT,
        **form({"const": "all rivers run to the sea"}),  # where it ends
    ),
    chat.edge("max_completion_tokens", {"max_completion_tokens": 1}, "one token", ends_at_a_bound),
    chat.edge(
        "max_completion_tokens",
        {"max_completion_tokens": LONGEST, "stop": [" "]},
        "clipped to what fits into the context",
        lambda got: got.reasons == {"stop"},
    ),
    chat.refusal("max_completion_tokens", {"max_completion_tokens": 0}, "integer_below_min_value"),
    chat.default("max_tokens", "to the bound of its new name", ends_at_a_bound),
    chat.edge(
        "max_tokens",
        {"max_completion_tokens": ABSENT, "max_tokens": 2},
        "the deprecated name does the same",
        lambda got: got.tokens == 2 and got.reasons == {"length"},
    ),
    chat.refusal(
        "max_tokens",
        {"max_completion_tokens": ABSENT, "max_tokens": LONGEST + 1},
        "integer_above_max_value",
    ),
    chat.refusal("max_tokens", {"max_tokens": 1}, "invalid_parameter_combination"),
    chat.default("stop", "to the bound", ends_at_a_bound),
    chat.edge("stop", {"stop": " "}, "up to the first space", lambda got: " " not in got.texts[0]),
    chat.edge(
        "stop",
        {"stop": [" ", "\n", "?", "z"]},
        "four texts, none of them in the answer",
        lambda got: got.reasons == {"stop"} and not set(" \n?z") & set(got.texts[0]),
    ),
    chat.refusal("stop", {"stop": list("abcde")}, "array_above_max_length"),
    chat.refusal("stop", {"stop": ""}, "empty_string"),
    chat.default("response_format", "text", within),
    chat.edge("response_format", {"response_format": {"type": "text"}}, "text", within),
    chat.edge(
        "response_format",
        {"response_format": {"type": "json_object"}, "max_completion_tokens": 1},
        "the beginning of a JSON object",
        lambda got: got.texts[0].lstrip().startswith("{"),
    ),
    chat.edge(
        "response_format",
        {**form(CITY, strict=True), "max_completion_tokens": 30},
        "an object of that schema",
        city,
    ),
    chat.refusal(
        "response_format",
        {"response_format": {"type": "xml"}},
        "invalid_value",
        "response_format.type",
    ),
    chat.refusal("response_format", {"response_format": {"type": "json_schema"}}, "invalid_value"),
    chat.refusal(
        "response_format",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city"}}},
        "missing_required_parameter",
        "response_format.json_schema.schema",
    ),
]
