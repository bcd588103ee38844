"""Answers in OpenAI's shapes: whole bodies and stream chunks, for chat and plain completions."""

from typing import Any, Protocol

import orjson

from headrace_gateway.domain.completion import (
    Answer,
    AnswerSignature,
    Choice,
    Delta,
    Event,
    Finished,
    FinishReason,
    ModelCard,
    Started,
    TokenLogprob,
    ToolCallPart,
)

Json = dict[str, Any]


class Shape(Protocol):
    """How one endpoint writes choices."""

    prefix: str
    object: str
    chunk_object: str

    def choice(self, index: int, choice: Choice) -> Json:
        """A complete choice."""

    def opening(self, index: int) -> Json | None:
        """A stream's first chunk of a choice, if the endpoint has one."""

    def piece(self, delta: Delta) -> Json:
        """A chunk's choice with text."""

    def ending(self, index: int, reason: FinishReason) -> Json:
        """A chunk's choice with the finish reason."""


class ChatShape:
    """`/v1/chat/completions`."""

    prefix = "chatcmpl-"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def choice(self, index: int, choice: Choice) -> Json:
        return {
            "index": index,
            "message": _chat_message(choice),
            "logprobs": _chat_logprobs(choice.logprobs),
            "finish_reason": choice.finish_reason,
        }

    def opening(self, index: int) -> Json:
        return _chat_chunk(index, {"role": "assistant", "content": ""}, None, None)

    def piece(self, delta: Delta) -> Json:
        content: Json = {"content": delta.text} if delta.text or not delta.tool_calls else {}
        if delta.tool_calls:
            content["tool_calls"] = [_call_chunk(part) for part in delta.tool_calls]
        return _chat_chunk(delta.choice, content, _chat_logprobs(delta.logprobs), None)

    def ending(self, index: int, reason: FinishReason) -> Json:
        return _chat_chunk(index, {}, None, reason)


class TextShape:
    """`/v1/completions`."""

    prefix = "cmpl-"
    object = "text_completion"
    chunk_object = "text_completion"

    def choice(self, index: int, choice: Choice) -> Json:
        logprobs = _text_logprobs(choice.logprobs)
        return _text_choice(index, choice.text, logprobs, choice.finish_reason)

    def opening(self, _index: int) -> None:
        return None

    def piece(self, delta: Delta) -> Json:
        return _text_choice(delta.choice, delta.text, _text_logprobs(delta.logprobs), None)

    def ending(self, index: int, reason: FinishReason) -> Json:
        return _text_choice(index, "", None, reason)


class AnswerWriter:
    """Writes one answer in one shape."""

    def __init__(
        self, shape: Shape, request_id: str, created: int, *, choices: int, include_usage: bool
    ) -> None:
        self._shape = shape
        self._id = shape.prefix + request_id
        self._created = created
        self._choices = choices
        self._include_usage = include_usage
        self._model = ""
        self._fingerprint = ""

    def body(self, answer: Answer, signature: AnswerSignature | None, cut_by: str = "") -> bytes:
        """The whole answer."""
        self._remember(answer.model.id, answer.model.version)
        choices = [self._shape.choice(i, choice) for i, choice in enumerate(answer.choices)]
        usage = _usage(answer.prompt_tokens, answer.completion_tokens)
        envelope = self._envelope(self._shape.object, choices)
        return orjson.dumps({**envelope, "usage": usage, **_extension(signature, cut_by)})

    def chunks(self, event: Event) -> bytes:
        """The server-sent events that one event of the answer becomes."""
        match event:
            case Started():
                self._remember(event.model.id, event.model.version)
                openings = (self._shape.opening(index) for index in range(self._choices))
                return b"".join(_sse(self._chunk([choice])) for choice in openings if choice)
            case Delta():
                return _sse(self._chunk([self._shape.piece(event)]))
            case Finished():
                return b"".join(_sse(chunk) for chunk in self._last_chunks(event))

    def _last_chunks(self, event: Finished) -> list[Json]:
        """One for each choice's end, then the usage if it is wanted; the last has our extension."""
        reasons = enumerate(event.finish_reasons)
        chunks = [self._chunk([self._shape.ending(index, reason)]) for index, reason in reasons]
        if self._include_usage:
            usage = _usage(event.prompt_tokens, event.completion_tokens)
            chunks.append({**self._chunk([]), "usage": usage})
        if chunks:
            chunks[-1] |= _extension(event.signature, event.cut_by)
        return chunks

    def _chunk(self, choices: list[Json]) -> Json:
        envelope = self._envelope(self._shape.chunk_object, choices)
        if self._include_usage:
            envelope["usage"] = None
        return envelope

    def _envelope(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": self._fingerprint,
            "choices": choices,
        }

    def _remember(self, model: str, version: str) -> None:
        self._model = model
        self._fingerprint = f"fp_{version}"


def model_card(card: ModelCard) -> Json:
    """One entry of `/v1/models`."""
    return {
        "id": card.model.id,
        "object": "model",
        "created": card.loaded_at_seconds,
        "owned_by": "headrace",
        "version": card.model.version,
        "context_length": card.context_tokens,
    }


def _sse(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _extension(signature: AnswerSignature | None, cut_by: str) -> Json:
    """What OpenAI's answers do not have: docs/signed-answers.md, docs/adr/0028."""
    extension: Json = {}
    if signature is not None:
        both = {"statement": signature.statement, "certificate": signature.certificate}
        extension["signature"] = both
    if cut_by:
        extension["cut_by"] = cut_by
    return {"headrace": extension} if extension else {}


def _usage(prompt_tokens: int, completion_tokens: int) -> Json:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _chat_message(choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": choice.text, "refusal": None}
    if choice.tool_calls:
        message["content"] = choice.text or None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": _function(call.name, call.arguments)}
            for call in choice.tool_calls
        ]
    return message


def _call_chunk(part: ToolCallPart) -> Json:
    if not part.id:
        return {"index": part.index, "function": {"arguments": part.arguments}}
    function = _function(part.name, part.arguments)
    return {"index": part.index, "id": part.id, "type": "function", "function": function}


def _function(name: str, arguments: str) -> Json:
    return {"name": name, "arguments": arguments}


def _chat_chunk(
    index: int, delta: Json, logprobs: Json | None, finish_reason: FinishReason | None
) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _text_choice(
    index: int, text: str, logprobs: Json | None, finish_reason: FinishReason | None
) -> Json:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}


def _chat_logprobs(entries: tuple[TokenLogprob, ...]) -> Json | None:
    if not entries:
        return None
    content = [
        {**_logprob(entry), "top_logprobs": [_logprob(rival) for rival in entry.top]}
        for entry in entries
    ]
    return {"content": content, "refusal": None}


def _logprob(entry: TokenLogprob) -> Json:
    return {"token": entry.token, "logprob": entry.logprob, "bytes": list(entry.token_bytes)}


def _text_logprobs(entries: tuple[TokenLogprob, ...]) -> Json | None:
    if not entries:
        return None
    return {
        "tokens": [entry.token for entry in entries],
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": [{rival.token: rival.logprob for rival in e.top} for e in entries],
    }
