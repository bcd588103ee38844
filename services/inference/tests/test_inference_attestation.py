"""What signatures of answers cover: every field that matters, and no way of cutting an answer."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.domain.attestation import (
    Transcript,
    canonical,
    exact,
    request_digest,
)
from headrace_inference.domain.events import Delta, FinishReason, ToolCallPart
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Regex,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_inference.domain.waiting_line import Priority

TURN = Message("user", "Why?")
REQUEST = GenerationRequest("req_1", "org_1", "model", (TURN,))
SAMPLED: dict[str, Any] = {
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "seed": 2**62,
    "stop": ("a",),
    "frequency_penalty": 0.25,
    "presence_penalty": 0.25,
    "logit_bias": {7: -1.5},
    "choices": 2,
    "top_logprobs": 0,
}
ASKED: dict[str, list[Any]] = {
    "model": ["other"],
    "prompt": [
        "Why?",
        (),
        (TURN, TURN),
        *(
            (dataclasses.replace(TURN, **change),)
            for change in (
                {"role": "system"},
                {"content": "why?"},
                {"name": "x"},
                {"tool_call_id": "x"},
                {"tool_calls": (ToolCall("1", "add", "{}"),)},
            )
        ),
    ],
    "sampling": [Sampling(**{name: value}) for name, value in SAMPLED.items()],
    "response_format": [
        *(JsonObject(), JsonSchema("{}"), JsonSchema("[]")),
        *(Regex("a"), Regex("b"), Grammar("a"), Grammar("b")),
    ],
    "tools": [(Tool("a"),), (Tool("a", "b"),), (Tool("a", "", "{}"),)],
    "tool_choice": ["none"],
    "single_tool_call": [True],
}


def test_the_digest_depends_on_every_field_that_the_answer_depends_on() -> None:
    others = [{name: value} for name, values in ASKED.items() for value in values]
    digests = [request_digest(dataclasses.replace(REQUEST, **change)) for change in others]
    assert len({request_digest(REQUEST), *digests}) == len(others) + 1
    fields = {field.name for field in dataclasses.fields(GenerationRequest)}
    assert fields - set(ASKED) == {"request_id", "organization_id", "priority"}
    assert {field.name for field in dataclasses.fields(Sampling)} == set(SAMPLED)


def test_the_digest_does_not_depend_on_who_asks_and_when() -> None:
    other = dataclasses.replace(
        REQUEST, request_id="req_2", organization_id="org_2", priority=Priority.BATCH
    )
    assert request_digest(other) == request_digest(REQUEST)
    assert request_digest(dataclasses.replace(REQUEST, tool_choice="auto")) == request_digest(
        REQUEST
    )


def test_canonical_bytes_are_those_of_the_specification() -> None:
    assert canonical({"b": ["é", None, 1], "a": '"\\\n\x01\x7f/'}) == (
        '{"a":"\\"\\\\\\n\\u0001\x7f/","b":["é",null,1]}'.encode()
    )
    assert (exact(1), exact(0.7)) == ("3ff0000000000000", "3fe6666666666666")


@given(
    pieces=st.lists(st.tuples(st.integers(0, 1), st.text()), max_size=8),
    cuts=st.lists(st.integers(0, 10), max_size=8),
)
def test_however_an_answer_is_cut_its_digest_is_the_same(
    pieces: list[tuple[int, str]], cuts: list[int]
) -> None:
    reasons = (FinishReason.STOP, FinishReason.LENGTH)
    whole, cut = Transcript(), Transcript()
    for choice in (0, 1):
        whole.add(Delta(choice, "".join(text for which, text in pieces if which == choice), 1))
    for index, (choice, text) in enumerate(pieces):
        at = cuts[index] if index < len(cuts) else 0
        cut.add(Delta(choice, text[:at], 1))
        cut.add(Delta(choice, text[at:], 0))
    assert cut.digest(reasons) == whole.digest(reasons)


@pytest.mark.parametrize(
    ("deltas", "reasons"),
    [
        ([Delta(0, "aB", 1)], "ss"),
        ([Delta(1, "ab", 1)], "ss"),
        ([Delta(0, "ab", 1)], "sl"),
        ([Delta(0, "ab", 1)], "s"),
        ([Delta(0, "ab", 1, (), (ToolCallPart(0, "{}", "1", "f"),))], "ss"),
        ([Delta(0, "ab", 1, (), (ToolCallPart(0, "{}", "2", "f"),))], "ss"),
    ],
)
def test_an_answer_that_says_anything_else_has_another_digest(
    deltas: list[Delta], reasons: str
) -> None:
    ends = {"s": FinishReason.STOP, "l": FinishReason.LENGTH}
    told, other = Transcript(), Transcript()
    told.add(Delta(0, "ab", 1))
    for delta in deltas:
        other.add(delta)
    digest = told.digest((FinishReason.STOP, FinishReason.STOP))
    assert other.digest(tuple(ends[end] for end in reasons)) != digest


def test_pieces_of_a_call_make_one_call() -> None:
    whole, cut = Transcript(), Transcript()
    whole.add(Delta(0, "", 1, (), (ToolCallPart(0, '{"a":1}', "1", "f"),)))
    cut.add(Delta(0, "", 1, (), (ToolCallPart(0, '{"a"', "1", "f"),)))
    cut.add(Delta(0, "", 1, (), (ToolCallPart(0, ":1}"),)))
    reasons = (FinishReason.TOOL_CALLS,)
    assert cut.digest(reasons) == whole.digest(reasons)
