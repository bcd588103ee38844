"""The rows of `chat.completions.create` about what is asked, of whom, and how it is reported."""

from typing import Any

from tests.e2e.conformance.chat_sampling import within
from tests.e2e.conformance.checks import DRAWN, TOKENS, Check, Method, Outcome

from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID

chat = Method("chat.completions.create")
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
FUNCTIONS = [{"name": "f"}]
HI = {"role": "user", "content": "Hi"}
PARTS = [{"type": "text", "text": "Hi"}, {"type": "text", "text": " there"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PAIRS = {f"{number:02}".ljust(64, "k"): "v" * 512 for number in range(16)}


def turns(*messages: Any) -> dict[str, Any]:
    return {"messages": list(messages)}


def whole(outcome: Outcome) -> bool:
    """An answer with all that OpenAI's have."""
    answer, message = outcome.answer, outcome.choices[0]["message"]
    used = answer["usage"]
    return (
        answer["id"].startswith("chatcmpl-")
        and (answer["object"], answer["model"]) == ("chat.completion", MODEL_ID)
        and answer["system_fingerprint"].startswith("fp_")
        and (message["role"], message["refusal"]) == ("assistant", None)
        and used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]
    )


def streamed(outcome: Outcome) -> bool:
    """Role, then text, then the reason; nothing of usage."""
    choices = [chunk["choices"][0] for chunk in outcome.chunks]
    return (
        choices[0]["delta"]["role"] == "assistant"
        and bool(outcome.indexes)
        and choices[-1]["finish_reason"] in ("stop", "length")
        and not any(chunk.get("usage") for chunk in outcome.chunks)
    )


def usage_last(outcome: Outcome) -> bool:
    *others, last = outcome.chunks
    nothing = all(chunk["usage"] is None for chunk in others)
    return nothing and last["choices"] == [] and 0 < last["usage"]["completion_tokens"] <= TOKENS


def tier(name: str | None) -> Any:
    return lambda got: got.answer.get("service_tier") == name


MESSAGES: list[Check] = [
    chat.default("model", "the model's name in a whole answer", whole),
    chat.edge("model", {}, "an answer for a key of this model alone", whole, key="one_model"),
    chat.refusal("model", {"model": "gpt-0"}, "model_not_found", status=404),
    chat.refusal("model", {"model": ""}, "empty_string"),
    chat.refusal("model", {"model": EMBEDDING_MODEL_ID}, "unsupported_parameter"),
    chat.default("messages", "an answer to a text", within),
    chat.edge("messages", turns({**HI, "content": PARTS}), "text parts are one text", within),
    chat.edge("messages", turns({**HI, "content": ""}), "an empty text", within),
    chat.edge("messages", turns({"role": "system", "content": PARTS}, HI), "system", within),
    chat.edge(
        "messages", turns({"role": "developer", "content": "Be brief."}, HI), "developer", within
    ),
    chat.edge(
        "messages",
        turns(HI, {"role": "assistant", "content": "Hello", "refusal": None}, HI),
        "an answer that is sent back",
        within,
    ),
    chat.edge(
        "messages",
        turns(HI, {"role": "assistant", "content": None, "refusal": "No."}, HI),
        "a refusal that is sent back",
        within,
    ),
    chat.refusal("messages", turns(), "empty_array"),
    chat.refusal("messages", {"messages": None}, "invalid_type"),
    chat.refusal(
        "messages", turns({"role": "user"}), "missing_required_parameter", "messages[0].content"
    ),
    chat.refusal("messages", turns({**HI, "role": "robot"}), "invalid_value", "messages[0].role"),
    chat.refusal(
        "messages",
        turns({**HI, "content": [IMAGE]}),
        "unsupported_parameter",
        "messages[0].content[0].type",
    ),
    chat.refusal(
        "messages",
        turns(HI, {"role": "tool", "content": "3", "tool_call_id": "c"}),
        "unsupported_parameter",
        "messages[1].role",
    ),
    chat.refusal(
        "messages", turns({**HI, "name": "ann"}), "unsupported_parameter", "messages[0].name"
    ),
    chat.refusal("messages", turns({**HI, "mood": 1}), "unknown_parameter", "messages[0].mood"),
    chat.refusal("messages", turns({**HI, "content": "word " * 9000}), "context_length_exceeded"),
    chat.refusal(
        "messages", turns({**HI, "content": "AKIA" + "A" * 16}), "content_policy_violation"
    ),
]

TOOL_USE: list[Check] = [
    chat.default("tools", "no calls", lambda got: "tool_calls" not in got.choices[0]["message"]),
    chat.edge("tools", {"tools": []}, "no tools", within),
    chat.refusal("tools", {"tools": TOOLS}, "unsupported_parameter"),
    chat.refusal("tools", {"tools": [{"type": "custom"}]}, "invalid_value", "tools[0].type"),
    chat.default("tool_choice", "an answer", within),
    chat.edge("tool_choice", {"tool_choice": None}, "as without it", within),
    chat.refusal("tool_choice", {"tool_choice": "auto"}, "invalid_value"),
    chat.refusal("tool_choice", {"tools": TOOLS, "tool_choice": "perhaps"}, "invalid_value"),
    chat.default("parallel_tool_calls", "an answer", within),
    chat.edge("parallel_tool_calls", {"parallel_tool_calls": None}, "as without it", within),
    chat.refusal("parallel_tool_calls", {"parallel_tool_calls": True}, "invalid_value"),
    chat.refusal("functions", {"functions": FUNCTIONS}, "unsupported_parameter"),
    chat.refusal("function_call", {"function_call": "auto"}, "invalid_value"),
]

REPORTING: list[Check] = [
    chat.default("stream", "a whole answer", whole),
    chat.edge("stream", {"stream": False}, "a whole answer", whole),
    chat.edge("stream", {"stream": True, **DRAWN}, "role, text, reason", streamed),
    chat.edge(
        "stream",
        {"stream": True, "n": 2, "max_completion_tokens": 12, **DRAWN},
        "two choices in turns, by index",
        lambda got: set(got.indexes) == {0, 1} and got.turns > 2,
    ),
    chat.refusal("stream", {"stream": "yes"}, "invalid_type"),
    chat.default("stream_options", "a stream without usage", streamed, stream=True),
    chat.edge(
        "stream_options",
        {"stream": True, "stream_options": {"include_usage": True}, **DRAWN},
        "usage in a last chunk, null in the others",
        usage_last,
    ),
    chat.edge(
        "stream_options",
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        "a stream without padding",
        streamed,
    ),
    chat.refusal("stream_options", {"stream_options": {"include_usage": True}}, "invalid_value"),
    chat.refusal(
        "stream_options",
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        "unsupported_parameter",
        "stream_options.include_obfuscation",
    ),
    chat.default("user", "an answer", within),
    chat.edge("user", {"user": "u" * 512}, "an answer", within),
    chat.refusal("user", {"user": 7}, "invalid_type"),
    chat.default("metadata", "an answer", within),
    chat.edge("metadata", {"metadata": PAIRS}, "16 pairs of 64 and 512 characters", within),
    chat.refusal("metadata", {"metadata": PAIRS | {"k": "v"}}, "object_above_max_properties"),
    chat.refusal(
        "metadata", {"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k"
    ),
    chat.default("store", "an answer", within),
    chat.edge("store", {"store": False}, "an answer", within),
    chat.refusal("store", {"store": True}, "unsupported_parameter"),
    chat.default("service_tier", "no tier is told", tier(None)),
    chat.edge("service_tier", {"service_tier": "auto"}, "`default` is told", tier("default")),
    chat.edge("service_tier", {"service_tier": "flex", **DRAWN}, "`flex` is told", tier("flex")),
    chat.refusal("service_tier", {"service_tier": "priority"}, "unsupported_parameter"),
    chat.refusal("service_tier", {"service_tier": "gold"}, "invalid_value"),
]

OTHERS: list[Check] = [
    chat.edge("modalities", {"modalities": ["text"]}, "an answer", within),
    chat.refusal("modalities", {"modalities": ["text", "audio"]}, "unsupported_parameter"),
    chat.edge("reasoning_effort", {"reasoning_effort": None}, "an answer", within),
    chat.refusal("reasoning_effort", {"reasoning_effort": "low"}, "unsupported_parameter"),
    chat.edge("verbosity", {"verbosity": "medium"}, "an answer", within),
    chat.refusal("verbosity", {"verbosity": "low"}, "unsupported_parameter"),
    chat.refusal(
        "prediction",
        {"prediction": {"type": "content", "content": "Rivers"}},
        "unsupported_parameter",
    ),
    chat.refusal("audio", {"audio": {"voice": "ash", "format": "mp3"}}, "unsupported_parameter"),
    chat.refusal("web_search_options", {"web_search_options": {}}, "unsupported_parameter"),
    chat.edge("prompt_cache_key", {"prompt_cache_key": "k" * 64}, "an answer", within),
    chat.edge("safety_identifier", {"safety_identifier": "s" * 128}, "an answer", within),
    chat.refusal("safety_identifier", {"safety_identifier": "s" * 129}, "string_above_max_length"),
    chat.refusal("nonsense", {"nonsense": 1}, "unknown_parameter"),
    chat.refusal("top_k", {"top_k": 40}, "unknown_parameter"),
]

KEYS: list[Check] = [
    chat.refusal("key", {}, "invalid_api_key", None, status=401, key="wrong"),
    chat.refusal("key", {}, "permission_denied", None, status=403, key="no_scope"),
    chat.refusal("key", {}, "rate_limit_exceeded", None, status=429, times=2, key="once"),
]
