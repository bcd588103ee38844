"""OpenAI's shapes of a choice: whole and in pieces, for chat and for plain completions."""

from typing import Any, Protocol

from headrace_gateway.domain.completion import (
    Choice,
    Delta,
    FinishReason,
    TokenLogprob,
    ToolCall,
    ToolCallPart,
)

Json = dict[str, Any]


class Shape(Protocol):
    """How one endpoint writes choices."""

    prefix: str
    object: str
    chunk_object: str
    signable: bool
    """Whether it shows all that a signature of the model server covers."""

    def choice(self, index: int, choice: Choice) -> Json:
        """A complete choice."""

    def opening(self, index: int) -> Json | None:
        """A stream's first chunk of a choice, if the endpoint has one."""

    def piece(self, delta: Delta) -> Json:
        """A chunk's choice with text."""

    def ending(self, index: int, reason: FinishReason) -> Json:
        """A chunk's choice with the finish reason."""


class ChatShape:
    """`/v1/chat/completions`; calls in the form of `tools` or of the deprecated `functions`.

    Who asked for log probabilities finds a list, which is empty if no token of the answer has text.
    """

    prefix = "chatcmpl-"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(self, *, functions: bool, logprobs: bool) -> None:
        self._functions = functions
        self._logprobs = logprobs
        self.signable = not functions  # which have no ids

    def choice(self, index: int, choice: Choice) -> Json:
        message: Json = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.tool_calls:
            message["content"] = choice.text or None
            message |= self._calls(choice.tool_calls)
        return {
            "index": index,
            "message": message,
            "logprobs": _chat_logprobs(choice.logprobs) if self._logprobs else None,
            "finish_reason": self._reason(choice.finish_reason),
        }

    def opening(self, index: int) -> Json:
        return _chat_chunk(index, {"role": "assistant", "content": ""}, None, None)

    def piece(self, delta: Delta) -> Json:
        content: Json = {"content": delta.text} if delta.text or not delta.tool_calls else {}
        if delta.tool_calls:
            content |= self._call_pieces(delta.tool_calls)
        logprobs = _chat_logprobs(delta.logprobs) if delta.logprobs else None
        return _chat_chunk(delta.choice, content, logprobs, None)

    def ending(self, index: int, reason: FinishReason) -> Json:
        return _chat_chunk(index, {}, None, self._reason(reason))

    def _calls(self, calls: tuple[ToolCall, ...]) -> Json:
        functions = [_function(call.name, call.arguments) for call in calls]
        if self._functions:
            return {"function_call": functions[0]}
        return {
            "tool_calls": [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(calls, functions, strict=True)
            ]
        }

    def _call_pieces(self, parts: tuple[ToolCallPart, ...]) -> Json:
        if not self._functions:
            return {"tool_calls": [_call_chunk(part) for part in parts]}
        of_first = [part for part in parts if part.index == 0]
        arguments = "".join(part.arguments for part in of_first)
        name = "".join(part.name for part in of_first)
        named = {"name": name} if name else {}
        return {"function_call": {**named, "arguments": arguments}}

    def _reason(self, reason: FinishReason) -> str:
        return "function_call" if self._functions and reason == "tool_calls" else reason


class TextShape:
    """`/v1/completions`; of one answer, since it counts where each token begins.

    Who asked for log probabilities finds lists, as ChatShape has them.
    """

    prefix = "cmpl-"
    object = "text_completion"
    chunk_object = "text_completion"
    signable = True

    def __init__(self, *, logprobs: bool = False) -> None:
        self._asked = logprobs
        self._written: dict[int, int] = {}

    def choice(self, index: int, choice: Choice) -> Json:
        logprobs = self._logprobs(index, choice.logprobs) if self._asked else None
        return _text_choice(index, choice.text, logprobs, choice.finish_reason)

    def opening(self, _index: int) -> None:
        return None

    def piece(self, delta: Delta) -> Json:
        logprobs = self._logprobs(delta.choice, delta.logprobs) if delta.logprobs else None
        return _text_choice(delta.choice, delta.text, logprobs, None)

    def ending(self, index: int, reason: FinishReason) -> Json:
        return _text_choice(index, "", None, reason)

    def _logprobs(self, index: int, entries: tuple[TokenLogprob, ...]) -> Json:
        offsets = [self._written.get(index, 0)]
        for entry in entries:
            offsets.append(offsets[-1] + len(entry.token))
        self._written[index] = offsets.pop()
        return {
            "tokens": [entry.token for entry in entries],
            "token_logprobs": [entry.logprob for entry in entries],
            "top_logprobs": [{rival.token: rival.logprob for rival in e.top} for e in entries],
            "text_offset": offsets,
        }


def _call_chunk(part: ToolCallPart) -> Json:
    if not part.id:
        return {"index": part.index, "function": {"arguments": part.arguments}}
    function = _function(part.name, part.arguments)
    return {"index": part.index, "id": part.id, "type": "function", "function": function}


def _function(name: str, arguments: str) -> Json:
    return {"name": name, "arguments": arguments}


def _chat_chunk(index: int, delta: Json, logprobs: Json | None, finish_reason: str | None) -> Json:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _text_choice(
    index: int, text: str, logprobs: Json | None, finish_reason: FinishReason | None
) -> Json:
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}


def _chat_logprobs(entries: tuple[TokenLogprob, ...]) -> Json:
    content = [
        {**_logprob(entry), "top_logprobs": [_logprob(rival) for rival in entry.top]}
        for entry in entries
    ]
    return {"content": content, "refusal": None}


def _logprob(entry: TokenLogprob) -> Json:
    return {"token": entry.token, "logprob": entry.logprob, "bytes": list(entry.token_bytes)}
