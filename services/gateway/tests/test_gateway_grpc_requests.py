"""What the gRPC door takes, and which field and rule it names for what it does not."""

from collections.abc import Callable

import pytest

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Message,
    ResponseFormat,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_gateway.grpc.requests import completion_request, embedding_request, field_name

USER = pb.Message(role=pb.ROLE_USER, content="hi")


def _chat(*messages: pb.Message) -> pb.CompleteRequest:
    conversation = pb.Conversation(messages=messages or (USER,))
    return pb.CompleteRequest(model="m", conversation=conversation)


def test_every_field_arrives() -> None:
    call = pb.ToolCall(id="c1", name="add", arguments_json="{}")
    request = _chat(
        pb.Message(role=pb.ROLE_SYSTEM, content="be brief", name="ann"),
        pb.Message(role=pb.ROLE_ASSISTANT, tool_calls=[call]),
        pb.Message(role=pb.ROLE_TOOL, content="4", tool_call_id="c1"),
    )
    sampling = pb.Sampling(
        max_tokens=9, temperature=0.7, top_p=0.9, seed=-1, stop=["x"], frequency_penalty=0.1,
        presence_penalty=-1, logit_bias={7: 1.5}, choices=2, top_logprobs=0,
    )  # fmt: skip
    request.sampling.CopyFrom(sampling)
    request.response_format.json_schema.schema_json = '{"type":"object"}'
    request.tools.add(name="add", description="Adds.")
    request.tool_choice, request.single_tool_call = "add", True
    assert completion_request(request) == CompletionRequest(
        model="m",
        input=(
            Message("system", "be brief", "ann"),
            Message("assistant", "", tool_calls=(ToolCall("c1", "add", "{}"),)),
            Message("tool", "4", tool_call_id="c1"),
        ),
        sampling=Sampling(9, 0.7, 0.9, -1, ("x",), 0.1, -1, {7: 1.5}, 2, 0),
        response_format=ResponseFormat('{"type":"object"}'),
        tools=(Tool("add", "Adds.", "{}"),),
        tool_choice="add",
        single_tool_call=True,
    )


def test_absent_fields_have_the_defaults_that_they_have_over_http() -> None:
    request = pb.CompleteRequest(model="m", prompt="once")
    assert completion_request(request) == CompletionRequest("m", "once")
    request.response_format.json_object.SetInParent()
    assert completion_request(request).response_format == ResponseFormat()


def _with(**fields: object) -> Callable[[], pb.CompleteRequest]:
    def make() -> pb.CompleteRequest:
        request = _chat()
        request.MergeFrom(pb.CompleteRequest(**fields))  # type: ignore[arg-type]
        return request

    return make


def _sampled(**fields: object) -> Callable[[], pb.CompleteRequest]:
    return _with(sampling=pb.Sampling(**fields))  # type: ignore[arg-type]


def _said(**fields: object) -> Callable[[], pb.CompleteRequest]:
    return lambda: _chat(pb.Message(**fields))  # type: ignore[arg-type]


MESSAGE = "conversation.messages[0]"
CALL = pb.ToolCall(id="c1", name="add")


@pytest.mark.parametrize(
    ("make", "param"),
    [
        (pb.CompleteRequest, "model"),
        (lambda: pb.CompleteRequest(model="x" * 201, prompt="a"), "model"),
        (lambda: pb.CompleteRequest(model="m"), "input"),
        (lambda: pb.CompleteRequest(model="m", prompt=""), "prompt"),
        (lambda: pb.CompleteRequest(model="m", conversation={}), "conversation.messages"),
        (lambda: _chat(*(2049 * [USER])), "conversation.messages"),
        (_said(content="hi"), f"{MESSAGE}.role"),
        (_said(role=99), f"{MESSAGE}.role"),
        (_said(role=pb.ROLE_USER, name="x" * 65), f"{MESSAGE}.name"),
        (_said(role=pb.ROLE_USER, tool_call_id="c"), f"{MESSAGE}.tool_call_id"),
        (_said(role=pb.ROLE_TOOL), f"{MESSAGE}.tool_call_id"),
        (_said(role=pb.ROLE_TOOL, tool_call_id="c" * 201), f"{MESSAGE}.tool_call_id"),
        (_said(role=pb.ROLE_USER, tool_calls=[CALL]), f"{MESSAGE}.tool_calls"),
        (_said(role=pb.ROLE_ASSISTANT, tool_calls=129 * [CALL]), f"{MESSAGE}.tool_calls"),
        (_said(role=pb.ROLE_ASSISTANT, tool_calls=[{}]), f"{MESSAGE}.tool_calls[0].id"),
        (
            _said(role=pb.ROLE_ASSISTANT, tool_calls=[pb.ToolCall(id="c", name="a b")]),
            f"{MESSAGE}.tool_calls[0].name",
        ),
        (_sampled(max_tokens=0), "sampling.max_tokens"),
        (_sampled(max_tokens=2**31), "sampling.max_tokens"),
        (_sampled(temperature=2.1), "sampling.temperature"),
        (_sampled(temperature=float("nan")), "sampling.temperature"),
        (_sampled(top_p=0), "sampling.top_p"),
        (_sampled(top_p=float("inf")), "sampling.top_p"),
        (_sampled(frequency_penalty=-3), "sampling.frequency_penalty"),
        (_sampled(presence_penalty=3), "sampling.presence_penalty"),
        (_sampled(choices=0), "sampling.choices"),
        (_sampled(choices=6), "sampling.choices"),
        (_sampled(top_logprobs=21), "sampling.top_logprobs"),
        (_sampled(stop=5 * ["x"]), "sampling.stop"),
        (_sampled(stop=["x", ""]), "sampling.stop[1]"),
        (_sampled(stop=["x" * 513]), "sampling.stop[0]"),
        (_sampled(logit_bias={1: 101}), "sampling.logit_bias"),
        (_sampled(logit_bias={1: float("nan")}), "sampling.logit_bias"),
        (_sampled(logit_bias=dict.fromkeys(range(1025), 0.0)), "sampling.logit_bias"),
        (_with(response_format=pb.ResponseFormat()), "response_format"),
        (
            _with(response_format=pb.ResponseFormat(json_schema=pb.JsonSchema())),
            "response_format.json_schema.schema_json",
        ),
        (_with(tools=[pb.Tool()]), "tools[0].name"),
        (_with(tools=129 * [pb.Tool(name="f")]), "tools"),
        (_with(tool_choice="a b"), "tool_choice"),
    ],
)
def test_bad_input_names_the_field(make: Callable[[], pb.CompleteRequest], param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        completion_request(make())
    error = caught.value
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)
    assert error.message.startswith(param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "texts"),
        ({"texts": 2049 * ["a"]}, "texts"),
        ({"texts": ["a", ""]}, "texts[1]"),
        ({"texts": ["a"], "dimensions": 0}, "dimensions"),
    ],
)
def test_bad_texts_are_named(fields: dict[str, object], param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        embedding_request(pb.EmbedRequest(model="m", **fields))  # type: ignore[arg-type]
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("inside", "here"),
    [
        ("n", "sampling.choices"),
        ("max_tokens", "sampling.max_tokens"),
        ("stop[1]", "sampling.stop[1]"),
        ("input[3]", "texts[3]"),
        ("sampling.top_p", "sampling.top_p"),
        ("x-headrace-cohort", "x-headrace-cohort"),
        ("messages[2].role", "conversation.messages[2].role"),
        ("prompt", "prompt"),
        ("input", "texts"),
        ("tools[0].name", "tools[0].name"),
    ],
)
def test_fields_that_others_name_have_the_names_of_the_proto(inside: str, here: str) -> None:
    assert field_name(inside) == here
