"""What may be asked, and which field is named when it may not."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint
from headrace_inference.domain.requests import (
    GenerationRequest,
    JsonSchema,
    Message,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_inference.domain.rules import check_request, clip_max_tokens, estimate_tokens

REQUEST = GenerationRequest("req_1", "org_1", "model", "Hello")


def refusal(request: GenerationRequest) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        check_request(request)
    return caught.value


def test_the_widest_allowed_request_passes() -> None:
    sampling = Sampling(
        max_tokens=1,
        temperature=2,
        top_p=1,
        stop=("a", "b", "c", "d" * 512),
        frequency_penalty=-2,
        presence_penalty=2,
        logit_bias={1: -100, 2: 100},
        choices=5,
        top_logprobs=20,
    )
    turns = tuple(Message(role, "") for role in ("system", "developer", "user", "assistant"))
    widest = replace(REQUEST, prompt=turns, sampling=sampling)
    assert complaint(check_request, widest) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("frequency_penalty", 2.5),
        ("presence_penalty", -2.5),
        ("choices", 0),
        ("choices", 6),
        ("top_logprobs", 21),
        ("stop", ("",)),
        ("stop", ("a",) * 5),
        ("stop", ("x" * 513,)),
        ("logit_bias", {1: 100.5}),
        ("logit_bias", {1: float("inf")}),
        ("logit_bias", dict.fromkeys(range(1025), 1.0)),
    ],
)
def test_a_parameter_out_of_bounds_is_named(name: str, value: Any) -> None:
    error = refusal(replace(REQUEST, sampling=replace(Sampling(), **{name: value})))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, name)


@pytest.mark.parametrize("name", ["request_id", "organization_id", "model", "prompt"])
def test_a_missing_field_is_named(name: str) -> None:
    changes: dict[str, Any] = {name: ""}
    assert refusal(replace(REQUEST, **changes)).param == name


def test_conversations_need_a_message_and_known_roles() -> None:
    assert refusal(replace(REQUEST, prompt=())).param == "messages"
    error = refusal(replace(REQUEST, prompt=(Message("user", "x"), Message("robot", "y"))))
    assert (error.reason, error.param) == (Reason.UNSUPPORTED_PARAMETER, "messages[1].role")


@pytest.mark.parametrize("schema", ["", "x" * 65_537])
def test_schemas_have_a_size(schema: str) -> None:
    error = refusal(replace(REQUEST, response_format=JsonSchema(schema)))
    assert error.param == "response_format.json_schema"


@given(st.none() | st.integers(1, 10**9), st.integers(0, 300), st.integers(1, 300))
def test_prompt_and_answer_always_fit(wanted: int | None, prompt: int, context: int) -> None:
    if prompt >= context:
        with pytest.raises(HeadraceError) as caught:
            clip_max_tokens(wanted, prompt, context)
        assert caught.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED
        assert str(prompt) in caught.value.message
        assert str(context) in caught.value.message
        return
    clipped = clip_max_tokens(wanted, prompt, context)
    assert 1 <= clipped <= context - prompt
    assert clipped in (wanted, context - prompt)


def test_an_estimate_counts_all_that_the_model_reads() -> None:
    long = "x" * 400
    bare = Message("assistant", "")
    for message in (
        replace(bare, content=long),
        replace(bare, name=long),
        replace(bare, tool_call_id=long),
        replace(bare, tool_calls=(ToolCall(long, "", ""),)),
        replace(bare, tool_calls=(ToolCall("", long, ""),)),
        replace(bare, tool_calls=(ToolCall("", "", long),)),
    ):
        assert estimate_tokens((message,)) == 101
    for tool in (Tool(long), Tool("", long), Tool("", "", long)):
        assert estimate_tokens((bare,), (tool,)) == 101
    assert estimate_tokens(long) == 101
