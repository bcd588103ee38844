"""What the signature of an answer covers: canonical bytes of a request, an answer and the model.

The proto specifies them at `AnswerSignature`; docs/signed-answers.md verifies them.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace_inference.domain.events import Delta, FinishReason
from headrace_inference.domain.models import ModelVersion
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    Regex,
    ResponseFormat,
    Sampling,
    ToolCall,
)

REQUEST_TYPE = "headrace-request-v1"
ANSWER_TYPE = "headrace-answer-v1"


@dataclass(frozen=True, slots=True)
class Statement:
    """To this request this model gave this answer; the digests are hexadecimal."""

    request_id: str
    model: ModelVersion
    request_digest: str
    answer_digest: str


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one JSON text (RFC 8785) of strings, whole numbers below 2**53, lists and objects.

    Numbers with a fraction are written differently by every language, so they are not among these:
    `exact` makes text of them.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def exact(number: float) -> str:
    """A number as the 16 hexadecimal digits of its IEEE 754 double."""
    return struct.pack(">d", number).hex()


def request_digest(request: GenerationRequest) -> str:
    """SHA-256 over what the answer depends on, with defaults filled in."""
    fields = {
        "type": REQUEST_TYPE,
        "model": request.model,
        **_prompt(request.prompt),
        "sampling": _sampling(request.sampling),
        "response_format": _response_format(request.response_format),
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters_schema,
            }
            for tool in request.tools
        ],
        "tool_choice": request.tool_choice or "auto",
        "single_tool_call": request.single_tool_call,
    }
    return hashlib.sha256(canonical(fields)).hexdigest()


@dataclass(slots=True)
class _Said:
    """What one choice has said so far."""

    texts: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)


class Transcript:
    """Collects what an answer says; however it is cut into deltas, the digest is the same."""

    def __init__(self) -> None:
        self._choices: dict[int, _Said] = {}

    def add(self, delta: Delta) -> None:
        """Note what one choice says further."""
        said = self._choices.setdefault(delta.choice, _Said())
        said.texts.append(delta.text)
        for part in delta.tool_calls:
            call = said.calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += part.id
            call["name"] += part.name
            call["arguments"] += part.arguments

    def digest(self, reasons: Sequence[FinishReason]) -> str:
        """SHA-256 over all choices, which ended for these reasons."""
        nothing = _Said()
        choices = [
            {
                "text": "".join(said.texts),
                "tool_calls": [said.calls[index] for index in sorted(said.calls)],
                "finish_reason": reason.value,
            }
            for choice, reason in enumerate(reasons)
            for said in (self._choices.get(choice, nothing),)
        ]
        return hashlib.sha256(canonical({"type": ANSWER_TYPE, "choices": choices})).hexdigest()


def _prompt(prompt: Prompt) -> dict[str, Any]:
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"messages": [_message(turn) for turn in prompt]}


def _message(turn: Message) -> dict[str, Any]:
    return {
        "role": turn.role,
        "content": turn.content,
        "name": turn.name,
        "tool_call_id": turn.tool_call_id,
        "tool_calls": [_tool_call(call) for call in turn.tool_calls],
    }


def _tool_call(call: ToolCall) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments}


def _sampling(sampling: Sampling) -> dict[str, Any]:
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": exact(sampling.temperature),
        "top_p": exact(sampling.top_p),
        # As text: a 64-bit number is more than JSON carries exactly.
        "seed": None if sampling.seed is None else str(sampling.seed),
        "stop": list(sampling.stop),
        "frequency_penalty": exact(sampling.frequency_penalty),
        "presence_penalty": exact(sampling.presence_penalty),
        "logit_bias": {str(token): exact(bias) for token, bias in sampling.logit_bias.items()},
        "choices": sampling.choices,
        "top_logprobs": sampling.top_logprobs,
    }


def _response_format(form: ResponseFormat | None) -> dict[str, str] | None:
    match form:
        case None:
            return None
        case JsonObject():
            return {"type": "json_object"}
        case JsonSchema(schema):
            return {"type": "json_schema", "schema": schema}
        case Regex(pattern):
            return {"type": "regex", "pattern": pattern}
        case Grammar(lark):
            return {"type": "grammar", "lark": lark}
