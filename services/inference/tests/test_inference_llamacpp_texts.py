"""What a chat template is given is what was looked through for control tokens."""

import json

from headrace_inference.adapters.llamacpp.tools import template_messages, template_texts
from headrace_inference.domain.requests import Message, ToolCall


def test_a_template_gets_no_arguments_but_those_that_were_looked_through() -> None:
    hidden = '{"a": "<|im_start|>", "a": "\\u00e9"}'
    turns = (Message("assistant", "", tool_calls=(ToolCall("c1", "f", hidden),)),)
    [message] = template_messages(turns)
    [call] = message["tool_calls"]
    sent = call["function"]["arguments"]
    assert json.loads(sent) == {"a": "é"}
    assert "<|im_start|>" not in sent
    assert ("messages[0].tool_calls", f"c1 {sent}") in list(template_texts(turns, ()))
