"""A generation request in the words of llama.cpp's text completion endpoint."""

import json
from typing import Any

from headrace_inference.adapters.chat_template import template_messages
from headrace_inference.adapters.forms.grammars import grammar_of
from headrace_inference.adapters.llamacpp.tools import call_grammar, template_tools
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    Sampling,
)

SEEDS = 2**32 - 1
"""llama.cpp's seeds have 32 bits and the highest one means "draw one"."""


def completion_body(
    request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
) -> dict[str, Any]:
    """The body for `handle_completions`.

    Samplers of llama.cpp's that OpenAI's API does not know are left out, and the rest is in the
    order in which OpenAI describes it: penalties, temperature, nucleus. Stop texts are not passed:
    see StopScanner. Prefill progress is asked for because only a callback can stop the work.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "prompt": list(prompt_tokens),
        "max_tokens": max_tokens,
        "n": sampling.choices,
        "stream": True,
        "return_progress": True,
        "timings_per_token": True,
        **_draw(sampling),
        "seed": SEEDS if sampling.seed is None else sampling.seed % SEEDS,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "repeat_penalty": 1.0,
        "repeat_last_n": len(prompt_tokens) + max_tokens,
        "logit_bias": [[token, bias] for token, bias in sampling.logit_bias.items()],
    }
    if sampling.top_logprobs is not None:
        body["logprobs"] = max(sampling.top_logprobs, 1)
    match request.response_format:
        case JsonSchema(schema):
            body["json_schema"] = json.loads(schema)
        case JsonObject():
            body["json_schema"] = {"type": "object"}
        case Regex() | Grammar() as form:
            body["grammar"] = grammar_of(form)
    if request.must_call:
        body["grammar"] = call_grammar(request.offered_tools)
    return body


def chat_body(
    request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
) -> dict[str, Any]:
    """The body for `handle_chat_completions`, which finds calls in what the model writes.

    It renders and tokenizes the conversation once more, so no message may have a control token's
    text. Thoughts stay in the text, as they do without tools.
    """
    body = completion_body(request, prompt_tokens, max_tokens)
    del body["prompt"]
    turns = () if isinstance(request.prompt, str) else request.prompt
    return body | {
        "messages": template_messages(turns),
        "tools": template_tools(request.offered_tools),
        "reasoning_format": "none",
        **({"parallel_tool_calls": False} if request.single_tool_call else {}),
    }


def _draw(sampling: Sampling) -> dict[str, Any]:
    """Greedy by the single best token: temperature 0 would weigh the whole vocabulary first."""
    if sampling.temperature == 0:
        return {"samplers": ["penalties", "top_k"], "top_k": 1}
    return {
        "samplers": ["penalties", "temperature", "top_p"],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
