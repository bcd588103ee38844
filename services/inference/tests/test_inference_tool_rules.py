"""Which tools and calls may be sent, and which field is named when they may not."""

from dataclasses import replace

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint
from headrace_inference.domain.requests import GenerationRequest, Message, Tool, ToolCall
from headrace_inference.domain.tool_rules import check_calls, check_tools

REQUEST = GenerationRequest("req_1", "org_1", "model", (Message("user", "hi"),))
TOOLS = (Tool("add"), Tool("get-time_2", "Tells it."))


def with_tools(*tools: Tool, choice: str = "") -> GenerationRequest:
    return replace(REQUEST, tools=tools, tool_choice=choice)


@pytest.mark.parametrize("choice", ["", "none", "auto", "required", "add"])
def test_every_choice_passes(choice: str) -> None:
    assert complaint(check_tools, with_tools(*TOOLS, choice=choice)) == ""


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (with_tools(Tool("")), "tools[0].name"),
        (with_tools(Tool("a"), Tool("b c")), "tools[1].name"),
        (with_tools(Tool("x" * 65)), "tools[0].name"),
        (with_tools(Tool("auto")), "tools[0].name"),
        (with_tools(Tool("a"), Tool("a")), "tools[1].name"),
        (with_tools(*(Tool(f"t{number}") for number in range(129))), "tools"),
        (with_tools(Tool("a", "x" * 40_000), Tool("b", "", "y" * 40_000)), "tools"),
        (with_tools(*TOOLS, choice="subtract"), "tool_choice"),
        (with_tools(choice="required"), "tool_choice"),
        (replace(with_tools(*TOOLS), prompt="text"), "tools"),
    ],
)
def test_tools_outside_their_bounds_are_refused(request_: GenerationRequest, param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_tools(request_)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


@pytest.mark.parametrize(
    ("role", "call", "param"),
    [
        ("user", ToolCall("1", "add", "{}"), "messages[0].tool_calls"),
        ("assistant", ToolCall("1", "a b", "{}"), "messages[0].tool_calls[0].name"),
        ("assistant", ToolCall("1", "add", "{"), "messages[0].tool_calls[0].arguments"),
        ("assistant", ToolCall("1", "add", "[]"), "messages[0].tool_calls[0].arguments"),
        ("assistant", ToolCall("1", "add", "[" * 9999), "messages[0].tool_calls[0].arguments"),
        (
            "assistant",
            ToolCall("1", "add", '{"a": "\\ud800"}'),
            "messages[0].tool_calls[0].arguments",
        ),
    ],
)
def test_calls_that_no_template_could_write_are_refused(
    role: str, call: ToolCall, param: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_calls((Message(role, "", tool_calls=(call,)),))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


def test_what_may_be_called_follows_the_choice() -> None:
    offered = [
        [tool.name for tool in with_tools(*TOOLS, choice=choice).offered_tools]
        for choice in ("auto", "required", "add", "none")
    ]
    assert offered == [["add", "get-time_2"], ["add", "get-time_2"], ["add"], []]
    assert [with_tools(*TOOLS, choice=each).must_call for each in ("", "auto", "none", "add")] == [
        False,
        False,
        False,
        True,
    ]
