"""A request as a model may see it: with masks where a rule put them."""

import json
from dataclasses import replace

from headrace_gateway.domain.completion import CompletionRequest, Message, Tool, ToolCall
from headrace_gateway.domain.embedding import EmbeddingRequest, OneRequest
from headrace_gateway.domain.plain_json import plain_json


class UnmaskableError(ValueError):
    """A mask would be where only a name or well-formed JSON can be."""


class Masks:
    """Texts of a request that were masked."""

    def __init__(self) -> None:
        self._masked: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._masked)

    def add(self, text: str, masked: str) -> None:
        """Remember that `text` becomes `masked` wherever it is."""
        self._masked[text] = masked

    def apply(self, request: OneRequest) -> OneRequest:
        """The request with them; raises UnmaskableError."""
        if isinstance(request, EmbeddingRequest):
            return replace(request, inputs=tuple(map(self._prose, request.inputs)))
        return self._completion(request)

    def _completion(self, request: CompletionRequest) -> CompletionRequest:
        form = request.response_format
        if form is not None and form.schema_json is not None:
            form = replace(form, schema_json=self._json(form.schema_json))
        asked = request.input
        return replace(
            request,
            input=self._prose(asked) if isinstance(asked, str) else tuple(map(self._turn, asked)),
            response_format=form,
            tools=tuple(map(self._tool, request.tools)),
        )

    def _tool(self, tool: Tool) -> Tool:
        return Tool(
            self._name(tool.name),
            self._prose(tool.description),
            self._json(tool.parameters_schema_json),
        )

    def _turn(self, turn: Message) -> Message:
        self._name(turn.name or "")
        self._name(turn.tool_call_id or "")
        calls = tuple(map(self._call, turn.tool_calls))
        return replace(turn, content=self._prose(turn.content), tool_calls=calls)

    def _call(self, call: ToolCall) -> ToolCall:
        arguments = self._json(call.arguments)
        return ToolCall(self._name(call.id), self._name(call.name), arguments)

    def _prose(self, text: str) -> str:
        return self._masked.get(text, text)

    def _name(self, text: str) -> str:
        if text in self._masked:
            raise UnmaskableError
        return text

    def _json(self, written: str) -> str:
        """As it was written, if there is nothing to mask in it."""
        text = plain_json(written)
        if text not in self._masked:
            return written
        try:
            json.loads(self._masked[text])
        except ValueError:
            raise UnmaskableError from None
        return self._masked[text]
