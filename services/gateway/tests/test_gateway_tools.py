"""Calls of tools: OpenAI's shapes both ways, from the cache too, and no way around the guard."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.adapters.policy_file import shipped_policies
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    Message,
    ModelVersion,
    ResponseFormat,
    Started,
    Tool,
    ToolCall,
    ToolCallPart,
)
from headrace_gateway.domain.detectors import DETECTORS, Detector
from headrace_gateway.domain.guard import GuardPolicy, PromptBlockedError
from headrace_gateway.domain.plain_json import PlainJson, plain_json
from headrace_gateway.domain.rules import Rule
from headrace_gateway.stages.guarded_choice import ChoiceGuard
from headrace_gateway.testing.gateway import Gateway, running_gateway

CHAT = "/v1/chat/completions"
FUNCTION = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
BODY: dict[str, Any] = {
    "model": "echo",
    "messages": [{"role": "user", "content": "1 + 2?"}],
    "tools": [{"type": "function", "function": FUNCTION}],
    "temperature": 0,
}
SECRET = "AKIA" + "Z7" * 8
POLICY = shipped_policies(maximum_prompt_characters=200).default


class Calling(EchoTarget):
    """Calls a tool, its arguments in these pieces; remembers what it was asked."""

    def __init__(self, *pieces: str) -> None:
        super().__init__()
        self._pieces = pieces
        self.asked: list[CompletionRequest] = []

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked.append(request)
        model = ModelVersion("echo", "v1")
        yield Started(model, queue_seconds=0.0, prompt_tokens=7)
        yield Delta(0, "", 3, (), (ToolCallPart(0, "", "call_1", "add"),))
        for piece in self._pieces:
            yield Delta(0, "", 1, (), (ToolCallPart(0, piece),))
        yield Finished(model, ("tool_calls",), 7, 3 + len(self._pieces))


async def ask(gateway: Gateway, **fields: Any) -> Any:
    response = await gateway.client.post(CHAT, json=BODY | fields)
    assert response.status_code == 200, response.text
    return response.json()


async def stream(gateway: Gateway) -> list[Any]:
    """The first choice of each chunk."""
    response = await gateway.client.post(CHAT, json=BODY | {"stream": True})
    blocks = response.text.strip().split("\n\n")
    return [json.loads(each.removeprefix("data: "))["choices"][0] for each in blocks[:-1]]


async def test_a_call_has_openais_shape_also_from_the_cache() -> None:
    async with running_gateway(target=Calling('{"a": 1,', ' "b": 2}')) as gateway:
        fresh, cached = await ask(gateway), await ask(gateway)
    assert gateway.events.exchanges[1].cache_status == "hit"
    function = {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    for body in (fresh, cached):
        [choice] = body["choices"]
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"] == {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }


async def test_a_streamed_call_comes_in_pieces_the_first_with_its_name() -> None:
    async with running_gateway(target=Calling('{"a": 1,', ' "b": 2}')) as gateway:
        opening, *pieces, ending = await stream(gateway)
    assert opening["delta"] == {"role": "assistant", "content": ""}
    first, *rest = (piece["delta"]["tool_calls"][0] for piece in pieces)
    assert first["index"] == 0
    assert (first["id"], first["type"]) == ("call_1", "function")
    assert first["function"]["name"] == "add"
    written = [first["function"]["arguments"], *(each["function"]["arguments"] for each in rest)]
    assert "".join(written) == '{"a": 1, "b": 2}'
    assert all("id" not in each and "content" not in each for each in rest)
    assert (ending["delta"], ending["finish_reason"]) == ({}, "tool_calls")


async def test_a_conversation_with_calls_reaches_the_model_whole() -> None:
    target = Calling("{}")
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    turns = [
        *BODY["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "3", "tool_call_id": "c1"},
    ]
    choice = {"type": "function", "function": {"name": "add"}}
    async with running_gateway(target=target) as gateway:
        await ask(gateway, messages=turns, tool_choice=choice, parallel_tool_calls=False)
    [asked] = target.asked
    assert asked.input == (
        Message("user", "1 + 2?"),
        Message("assistant", "", tool_calls=(ToolCall("c1", "add", '{"a": 1}'),)),
        Message("tool", "3", tool_call_id="c1"),
    )
    assert asked.tools == (Tool("add", "Adds.", '{"type":"object"}'),)
    assert asked.tool_choice == "add"
    assert asked.single_tool_call


@pytest.mark.parametrize(
    "pieces",
    [
        (f'{{"a": "{SECRET}"}}',),
        tuple(f'{{"a": "{SECRET}"}}'),
        tuple('{"a": "' + "".join(f"\\u{ord(each):04x}" for each in SECRET) + '"}'),
        (f'{{"a": "\\uZ {SECRET}"}}',),
        (f'{{"a": "\\u00{SECRET}\\u',),
    ],
    ids=["whole", "by character", "escaped", "behind no escape", "between no escapes"],
)
async def test_no_secret_leaves_through_arguments(pieces: tuple[str, ...]) -> None:
    async with running_gateway(target=Calling(*pieces)) as gateway:
        chunks = await stream(gateway)
        whole = await ask(gateway)
    parts = [call for chunk in chunks for call in chunk["delta"].get("tool_calls", [])]
    written = "".join(part["function"]["arguments"] for part in parts)
    assert SECRET[:4] not in written
    assert chunks[-1]["finish_reason"] == "content_filter"
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    assert gateway.events.exchanges[0].guard_decisions == ["output:aws-access-key:block"]


@pytest.mark.parametrize("part", [("call_1", SECRET), (SECRET, "add")], ids=["name", "id"])
def test_no_secret_leaves_as_the_name_or_the_id_of_a_call(part: tuple[str, str]) -> None:
    events = (ToolCallPart(0, "", *part),)
    guard = ChoiceGuard(POLICY.output)
    assert not guard.push(Delta(0, "", 1, (), events)).tells
    assert guard.blocked
    assert guard.decisions() == ["output:aws-access-key:block"]


def test_a_secret_that_only_the_end_completes_does_not_leave() -> None:
    rules = [Rule("half", "block", Detector(r"\\u00"))]
    guard = ChoiceGuard(GuardPolicy(rules, maximum_prompt_characters=200).output)
    told = guard.push(Delta(0, "", 1, (), (ToolCallPart(0, "\\u00"),)))
    assert not told.tells
    assert not guard.flush(0).tells
    assert guard.blocked
    assert guard.decisions() == ["output:half:block"]


def tool(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": FUNCTION | fields}]}


def called(identifier: str = "c", **fields: str) -> dict[str, Any]:
    function = {"name": "add", "arguments": "{}"} | fields
    call = {"id": identifier, "type": "function", "function": function}
    return {"messages": [{"role": "assistant", "tool_calls": [call]}]}


ESCAPED = f'{{"a": "\\u0041{SECRET[1:]}"}}'
FORM = {"name": "form", "schema": {"const": SECRET}}


@pytest.mark.parametrize(
    "fields",
    [
        tool(name=SECRET),
        tool(description=SECRET),
        tool(parameters={"const": SECRET}),
        called(arguments=json.dumps({"a": SECRET})),
        called(arguments=ESCAPED),
        called(name=SECRET),
        called(SECRET),
        {"messages": [{"role": "tool", "content": "3", "tool_call_id": SECRET}]},
        {"messages": [{"role": "user", "content": "3", "name": SECRET}]},
        {"response_format": {"type": "json_schema", "json_schema": FORM}},
    ],
)
async def test_no_secret_enters_beside_the_messages_contents(fields: dict[str, Any]) -> None:
    async with running_gateway() as gateway:
        response = await gateway.client.post(CHAT, json=BODY | fields)
    assert response.status_code == 400
    assert "aws-access-key" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "request_",
    [
        CompletionRequest("echo", "hi", tools=(Tool("add", "Adds.", ESCAPED),)),
        CompletionRequest("echo", "hi", response_format=ResponseFormat(ESCAPED)),
    ],
    ids=["tool", "form"],
)
def test_no_secret_enters_behind_escapes_of_a_schema(request_: CompletionRequest) -> None:
    """Over gRPC schemas are texts that callers write themselves."""
    with pytest.raises(PromptBlockedError, match="aws-access-key"):
        POLICY.check_prompt(request_)
    assert ESCAPED in request_.written()


def test_masks_reach_schemas_behind_escapes_and_leave_others_as_they_were() -> None:
    rules = [Rule("key", "mask", DETECTORS["aws-access-key"])]
    policy = GuardPolicy(rules, maximum_prompt_characters=200)
    clean = '{"a": "\\u0041"}'
    tools = Tool("add", "Adds.", ESCAPED), Tool("sub", "Subtracts.", clean)
    checked, decisions = policy.check_prompt(CompletionRequest("echo", "hi", tools=tools))
    assert isinstance(checked, CompletionRequest)
    assert [tool.parameters_schema_json for tool in checked.tools] == ['{"a": "[key]"}', clean]
    assert decisions == ["prompt:key:mask"]


@pytest.mark.parametrize(
    "fields",
    [
        called("c" * 201),
        called(name="add me"),
        called(name="a" * 65),
        {"messages": [{"role": "tool", "content": "3", "tool_call_id": "c" * 201}]},
        {"messages": [{"role": "user", "content": "3", "name": "n" * 65}]},
        {"tool_choice": {"type": "function", "function": {"name": "a" * 65}}},
    ],
)
async def test_names_and_ids_are_short(fields: dict[str, Any]) -> None:
    async with running_gateway() as gateway:
        response = await gateway.client.post(CHAT, json=BODY | fields)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


VISIBLE = st.characters(max_codepoint=0xFFFF, exclude_characters='"\\').filter(str.isprintable)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(DOCUMENTS, st.booleans(), st.data())
def test_plain_json_is_the_same_value_however_it_is_cut(
    document: Any, ascii_only: bool, data: st.DataObject
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only)
    cut = data.draw(st.integers(0, len(text)))
    plain = PlainJson()
    written = plain.feed(text[:cut]) + plain.feed(text[cut:]) + plain.flush()
    assert json.loads(written) == document


@given(st.lists(st.sampled_from([*"\\\\\\uuu0aZ\n", "\\u0041", "AKIA"]), max_size=12), st.data())
def test_only_half_an_escape_waits_whatever_is_written(
    pieces: list[str], data: st.DataObject
) -> None:
    text = "".join(pieces)
    cut = data.draw(st.integers(0, len(text)))
    plain = PlainJson()
    written = plain.feed(text[:cut]) + plain.feed(text[cut:])
    waiting = plain.flush()
    assert len(waiting) <= 5
    assert written + waiting == plain_json(text)


@given(st.text(alphabet=VISIBLE, max_size=8))
def test_needless_escapes_are_undone(text: str) -> None:
    escaped = "".join(f"\\u{ord(character):04X}" for character in text)
    plain = PlainJson()
    assert plain.feed(f'"{escaped}"') + plain.flush() == json.dumps(text, ensure_ascii=False)
