"""Every parameter is passed on to a remote, in OpenAI's words and its own."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.adapters.openai_remote.request import generation_body
from headrace_inference.adapters.openai_remote.tokens import remote_tokens
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    Regex,
    ResponseFormat,
    Tool,
    ToolCall,
)
from headrace_inference.testing import question, request_for

OPTIONS = RemoteOptions(
    "http://remote/v1", "theirs", slots=2, context_tokens=64, features=frozenset(Feature)
)


def body_of(request: GenerationRequest, kind: RemoteKind = RemoteKind.OPENAI) -> dict[str, Any]:
    return generation_body(request, 8, replace(OPTIONS, kind=kind))[1]


def test_a_conversation_with_all_parameters() -> None:
    request = question(
        "hi",
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=("END",),
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        logit_bias={5: 1.5},
        choices=2,
        top_logprobs=0,
    )
    path, body = generation_body(request, 8, OPTIONS)
    assert path == "/chat/completions"
    assert body == {
        "model": "theirs",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 8,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "logit_bias": {"5": 1.5},
        "n": 2,
        "logprobs": True,
        "top_logprobs": 1,
    }


def test_a_text_is_completed_as_it_is() -> None:
    path, body = generation_body(request_for("Once", top_logprobs=3), None, OPTIONS)
    assert path == "/completions"
    assert (body["prompt"], body["logprobs"]) == ("Once", 3)
    assert "max_tokens" not in body


def test_turns_keep_names_and_calls_and_a_developer_is_the_system() -> None:
    call = ToolCall("c1", "f", "{}")
    turns = (
        Message("developer", "Be brief."),
        Message("user", "hi", name="Ada"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "42", tool_call_id="c1"),
    )
    function = {"name": "f", "arguments": "{}"}
    assert body_of(request_for(turns))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi", "name": "Ada"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]


def test_tools_and_the_choice_of_one() -> None:
    tools = (Tool("f", "Does it.", '{"type": "object"}'), Tool("g"))
    request = replace(question("hi"), tools=tools)
    described = {"name": "f", "description": "Does it.", "parameters": {"type": "object"}}
    for choice in ("auto", "required"):
        body = body_of(replace(request, tool_choice=choice))
        assert body["tool_choice"] == choice
        assert body["tools"] == [
            {"type": "function", "function": described},
            {"type": "function", "function": {"name": "g"}},
        ]
    assert "parallel_tool_calls" not in body
    assert body_of(replace(request, single_tool_call=True))["parallel_tool_calls"] is False
    named = body_of(replace(request, tool_choice="g"))
    assert named["tools"] == [{"type": "function", "function": {"name": "g"}}]
    assert named["tool_choice"] == {"type": "function", "function": {"name": "g"}}
    none = body_of(replace(request, tool_choice="none", single_tool_call=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & none.keys()


@pytest.mark.parametrize("form", [Regex("a"), Grammar("start: /a/")])
def test_grammars_are_refused_by_name(form: ResponseFormat) -> None:
    with pytest.raises(HeadraceError, match=r"response_format\.grammar") as caught:
        body_of(replace(question("hi"), response_format=form))
    assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER


def test_forms_of_the_answer() -> None:
    request = replace(question("hi"), response_format=JsonObject())
    assert body_of(request)["response_format"] == {"type": "json_object"}
    schema = JsonSchema('{"type": "string"}')
    body = body_of(replace(request_for("hi"), response_format=schema), RemoteKind.LLAMACPP)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "string"}
    assert body["json_schema"] == {"type": "string"}


@pytest.mark.parametrize(
    "text",
    ["{", "NaN", '{"minimum": Infinity}', '{"minimum": 1e999}', '"\\ud800"', "[" * 100_000],
)
def test_schemas_that_are_no_json_are_refused(text: str) -> None:
    formed = replace(question("hi"), response_format=JsonSchema(text))
    with_tool = replace(question("hi"), tools=(Tool("f"), Tool("g", "", text)))
    named = {"response_format.json_schema": formed, "tools[1].parameters": with_tool}
    for param, request in named.items():
        with pytest.raises(HeadraceError) as caught:
            body_of(request)
        assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


def test_each_kind_is_told_to_draw_as_openai_does() -> None:
    request = question("hi", seed=2**32 + 1)
    llamacpp = body_of(request, RemoteKind.LLAMACPP)
    assert llamacpp["seed"] == 2
    assert llamacpp["samplers"] == ["penalties", "temperature", "top_p"]
    vllm = body_of(request, RemoteKind.VLLM)
    assert (vllm["seed"], vllm["top_k"]) == (2**32 + 1, -1)
    assert vllm["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_prefixes_are_shared_within_an_organisation_only() -> None:
    request = question("hi")
    assert not body_of(request, RemoteKind.LLAMACPP)["cache_prompt"]
    salts = {
        organization: body_of(
            replace(request, organization_id=organization, request_id=request_id), RemoteKind.VLLM
        )["cache_salt"]
        for organization in ("org_1", "org_2")
        for request_id in ("req_1", "req_2")
    }
    assert salts["org_1"] == sha256(b"org_1").hexdigest() != salts["org_2"]
    assert "cache_salt" not in body_of(request, RemoteKind.OPENAI)


async def tokens(
    kind: RemoteKind, prompt: Prompt, answer: object
) -> tuple[tuple[int, ...], list[tuple[str, Any]]]:
    """What comes back, and what was asked."""
    asked = []

    async def post(url: str, body: Any) -> Any:
        asked.append((url, body))
        return answer

    options = replace(OPTIONS, kind=kind)
    return await remote_tokens(post, options, prompt, (Tool("f"),)), asked


async def test_vllm_tells_the_tokens_of_texts_and_conversations() -> None:
    told, asked = await tokens(RemoteKind.VLLM, "hi", {"count": 2, "tokens": [1, 2]})
    assert told == (1, 2)
    assert asked == [("http://remote/tokenize", {"model": "theirs", "prompt": "hi"})]
    _, [(_, body)] = await tokens(RemoteKind.VLLM, (Message("user", "hi"),), {"tokens": []})
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]


async def test_a_server_that_tells_no_tokens_is_not_asked_or_not_believed() -> None:
    with pytest.raises(HeadraceError) as caught:
        await tokens(RemoteKind.OPENAI, "hi", {})
    assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER
    answers: list[object] = [{}, [], None, {"tokens": ["a"]}, {"tokens": 3}]
    for answer in answers:
        with pytest.raises(HeadraceError, match="REMOTE_KIND"):
            await tokens(RemoteKind.VLLM, "hi", answer)
