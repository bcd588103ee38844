"""The deprecated `functions` and `function_call`: tools inside, OpenAI's old shape outside."""

import json
from typing import Any

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    AnswerSignature,
    CompletionRequest,
    Delta,
    Events,
    Finished,
    Message,
    ModelVersion,
    Started,
    Tool,
    ToolCall,
    ToolCallPart,
)
from headrace_gateway.testing.gateway import running_gateway

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "user", "content": "1 + 2?"}],
    "functions": [{"name": "add", "description": "Adds."}],
    "function_call": {"name": "add"},
}


class Calling(EchoTarget):
    """Calls the function `add`; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[CompletionRequest] = []

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked.append(request)
        model = ModelVersion("echo", "v1")
        yield Started(model, queue_seconds=0.0, prompt_tokens=7)
        yield Delta(0, "", 3, (), (ToolCallPart(0, "", "call_1", "add"),))
        for piece in ('{"a": 1,', ' "b": 2}'):
            yield Delta(0, "", 1, (), (ToolCallPart(0, piece),))
        yield Finished(model, ("tool_calls",), 7, 5, AnswerSignature("statement", "certificate"))


async def test_functions_are_tools_of_which_one_is_called() -> None:
    target = Calling()
    async with running_gateway(target) as gateway:
        response = await gateway.client.post(CHAT, json=BODY)
    [asked] = target.asked
    assert asked.tools == (Tool("add", "Adds.", "{}"),)
    assert (asked.tool_choice, asked.single_tool_call) == ("add", True)
    [choice] = response.json()["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "add", "arguments": '{"a": 1, "b": 2}'},
    }


async def test_a_call_without_its_id_cannot_be_verified_and_is_not_signed() -> None:
    async with running_gateway(Calling()) as gateway:
        old = await gateway.client.post(CHAT, json=BODY)
        tools = [{"type": "function", "function": {"name": "add"}}]
        new = await gateway.client.post(
            CHAT, json={"model": "echo", "messages": BODY["messages"], "tools": tools}
        )
    assert "headrace" not in old.json()
    assert new.json()["headrace"]["signature"]["statement"] == "statement"


async def test_a_streamed_call_comes_in_pieces() -> None:
    async with running_gateway(Calling()) as gateway:
        response = await gateway.client.post(CHAT, json=BODY | {"stream": True})
    blocks = response.text.strip().split("\n\n")[:-1]
    choices = [json.loads(block.removeprefix("data: "))["choices"][0] for block in blocks]
    _, first, *rest, ending = choices
    assert first["delta"]["function_call"]["name"] == "add"
    calls = [choice["delta"]["function_call"] for choice in (first, *rest)]
    assert "".join(call["arguments"] for call in calls) == '{"a": 1, "b": 2}'
    assert all("name" not in call for call in calls[1:])
    assert (ending["delta"], ending["finish_reason"]) == ({}, "function_call")


async def test_a_function_s_result_belongs_to_its_call() -> None:
    target = Calling()
    call = {"name": "add", "arguments": '{"a": 1}'}
    turns = [
        *BODY["messages"],
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "add", "content": "3"},
    ]
    async with running_gateway(target) as gateway:
        response = await gateway.client.post(CHAT, json=BODY | {"messages": turns})
    assert response.status_code == 200
    assert target.asked[0].input == (
        Message("user", "1 + 2?"),
        Message("assistant", "", tool_calls=(ToolCall("call_add", "add", '{"a": 1}'),)),
        Message("tool", "3", tool_call_id="call_add"),
    )


async def test_a_function_s_result_has_its_name() -> None:
    turns = [{"role": "function", "content": "3"}]
    async with running_gateway() as gateway:
        response = await gateway.client.post(CHAT, json=BODY | {"messages": turns})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "messages[0].name")
