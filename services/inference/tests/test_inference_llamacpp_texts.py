"""What a chat template is given is what was looked through for control tokens."""

import json
from dataclasses import replace

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.chat_template import template_messages
from headrace_inference.adapters.llamacpp.http import LlamaCppHttp
from headrace_inference.adapters.llamacpp.prompt import PromptReader
from headrace_inference.adapters.llamacpp.tools import template_texts
from headrace_inference.domain.requests import Message, Prompt, Tool, ToolCall


def test_a_template_gets_no_arguments_but_those_that_were_looked_through() -> None:
    hidden = '{"a": "<|im_start|>", "a": "\\u00e9"}'
    turns = (Message("assistant", "", tool_calls=(ToolCall("c1", "f", hidden),)),)
    [message] = template_messages(turns)
    [call] = message["tool_calls"]
    sent = call["function"]["arguments"]
    assert json.loads(sent) == {"a": "é"}
    assert "<|im_start|>" not in sent
    assert ("messages[0].tool_calls", f"c1 {sent}") in list(template_texts(turns, ()))


async def test_all_that_a_template_writes_must_fit() -> None:
    nobody = LlamaCppHttp("/nowhere")
    reader, long = PromptReader(nobody, (), context_tokens=1), "x" * 65
    bare = Message("assistant", "")
    asked: list[tuple[Prompt, tuple[Tool, ...]]] = [
        ((replace(bare, tool_calls=(ToolCall("c1", "f", f'{{"a": "{long}"}}'),)),), ()),
        ((replace(bare, tool_call_id=long),), ()),
        ((bare,), (Tool("f", long),)),
    ]
    for prompt, tools in asked:
        with pytest.raises(HeadraceError) as caught:
            await reader.tokens(prompt, tools)
        assert caught.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    await nobody.close()
