"""Our requests in the words of OpenAI's API."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.chat_template import template_role, written_calls
from headrace_inference.adapters.forms.schema_text import parse_schema
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.requests import (
    GenerationRequest,
    JsonObject,
    JsonSchema,
    Message,
    ResponseFormat,
    Sampling,
    Tool,
)

LLAMACPP_SEEDS = 2**32 - 1
"""llama.cpp's seeds have 32 bits and the highest one means "draw one"."""

MANNERS: dict[RemoteKind, dict[str, Any]] = {
    RemoteKind.OPENAI: {},
    # Only OpenAI's samplers, in the order of its documentation. A cached prefix would tell by its
    # timing what another tenant asked, and change the rounding of what follows. Progress and
    # timings show that it lives, and count exactly.
    RemoteKind.LLAMACPP: {
        "samplers": ["penalties", "temperature", "top_p"],
        "repeat_penalty": 1.0,
        "cache_prompt": False,
        "return_progress": True,
        "timings_per_token": True,
    },
    # Without these, a model's own defaults would cut what temperature and top_p leave.
    RemoteKind.VLLM: {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
}


def generation_body(
    request: GenerationRequest, max_tokens: int | None, options: RemoteOptions
) -> tuple[str, dict[str, Any]]:
    """Path and body; raises INVALID_FIELD for a schema that is no JSON.

    Stop texts are not passed: see StopScanner. Of log probabilities at least one alternative is
    asked for, since some servers take 0 for no log probabilities at all.
    """
    sampling, kind = request.sampling, options.kind
    body: dict[str, Any] = {
        "model": options.model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "n": sampling.choices,
        **MANNERS[kind],
        **_drawing(sampling, options),
    }
    if kind is RemoteKind.VLLM:
        body["stream_options"]["continuous_usage_stats"] = True
        body["cache_salt"] = _cache_salt(request.organization_id)
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if request.response_format is not None:
        body["response_format"] = _form(request.response_format)
    alternatives = None if sampling.top_logprobs is None else max(sampling.top_logprobs, 1)
    if isinstance(request.prompt, str):
        return "/completions", body | _text(request, request.prompt, alternatives, kind)
    body["messages"] = chat_messages(request.prompt)
    if alternatives is not None:
        body |= {"logprobs": True, "top_logprobs": alternatives}
    return "/chat/completions", body | _tools(request)


def _text(
    request: GenerationRequest, prompt: str, alternatives: int | None, kind: RemoteKind
) -> dict[str, Any]:
    parts: dict[str, Any] = {"prompt": prompt}
    form = request.response_format
    if kind is RemoteKind.LLAMACPP and isinstance(form, JsonSchema):
        # of its text completions response_format is no parameter
        parts["json_schema"] = _form(form)["json_schema"]["schema"]
    if alternatives is not None:
        parts["logprobs"] = alternatives
    return parts


def chat_messages(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """A conversation as the API has it."""
    return [_message(turn) for turn in turns]


def chat_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Functions as the API has them; raises INVALID_FIELD for parameters that are no JSON."""
    return [
        {"type": "function", "function": _function(tool, f"tools[{index}].parameters")}
        for index, tool in enumerate(tools)
    ]


def _tools(request: GenerationRequest) -> dict[str, Any]:
    if not request.offered_tools:
        return {}
    asked: dict[str, Any] = {"tools": chat_tools(request.offered_tools)}
    if request.tool_choice:
        asked["tool_choice"] = _tool_choice(request.tool_choice)
    if request.single_tool_call:
        asked["parallel_tool_calls"] = False
    return asked


def _drawing(sampling: Sampling, options: RemoteOptions) -> dict[str, Any]:
    drawing: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    llamacpp = options.kind is RemoteKind.LLAMACPP
    if llamacpp:  # which by default looks at the last 64 tokens only
        drawing["repeat_last_n"] = options.context_tokens
    if sampling.frequency_penalty:
        drawing["frequency_penalty"] = sampling.frequency_penalty
    if sampling.presence_penalty:
        drawing["presence_penalty"] = sampling.presence_penalty
    if sampling.seed is not None:
        drawing["seed"] = sampling.seed % LLAMACPP_SEEDS if llamacpp else sampling.seed
    if sampling.logit_bias:
        drawing["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    return drawing


def _cache_salt(organization_id: str) -> str:
    """What vLLM shares cached prefixes by, so that no tenant can time another's."""
    return sha256(organization_id.encode()).hexdigest()


def _message(turn: Message) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": template_role(turn),
        "content": turn.content or (None if turn.tool_calls else ""),
    }
    if turn.name:
        message["name"] = turn.name
    if turn.tool_call_id:
        message["tool_call_id"] = turn.tool_call_id
    if turn.tool_calls:
        message["tool_calls"] = written_calls(turn, str)
    return message


def _function(tool: Tool, param: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters_schema:
        function["parameters"] = parse_schema(tool.parameters_schema, param)
    return function


def _tool_choice(choice: str) -> Any:
    if choice in ("none", "auto", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _form(wanted: ResponseFormat) -> dict[str, Any]:
    if isinstance(wanted, JsonObject):
        return {"type": "json_object"}
    if not isinstance(wanted, JsonSchema):  # each server has its own words for grammars
        param = Feature.GRAMMAR.value
        message = f"{param}: this engine cannot honour it"
        raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, message, param=param)
    schema = parse_schema(wanted.schema, "response_format.json_schema")
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"type": "json_schema", "json_schema": named}
