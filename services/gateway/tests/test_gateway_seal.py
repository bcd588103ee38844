"""A signature reaches the caller with the very answer that it was made for, and with no other."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_gateway.domain.completion import (
    AnswerSignature,
    Delta,
    Event,
    Finished,
    ModelVersion,
    Started,
    ToolCallPart,
)
from headrace_gateway.domain.seal import Seal

MODEL = ModelVersion("model", "v1")
SIGNATURE = AnswerSignature("statement", "certificate")
FINISHED = Finished(MODEL, ("stop", "length"), 3, 4, SIGNATURE)
Said = list[tuple[int, str]]
answers = st.lists(st.tuples(st.integers(0, 1), st.text(max_size=6)), max_size=6)


def deltas(said: Said) -> list[Delta]:
    return [Delta(choice, text, 1) for choice, text in said]


def texts(said: Said) -> list[str]:
    return ["".join(text for which, text in said if which == choice) for choice in (0, 1)]


def passed(made: list[Delta], given: list[Delta], finished: Finished = FINISHED) -> Event:
    """The caller's last event when the model said `made` and the caller gets `given`."""
    seal = Seal()
    events: list[Event] = [Started(MODEL, 0.0, 3), *made, FINISHED]
    for event in events:
        seal.note_made(event)
    for delta in given:
        assert seal.check(delta) is delta
    return seal.check(finished)


@given(said=answers, cuts=st.lists(st.integers(0, 6), min_size=6, max_size=6))
def test_cutting_and_joining_keeps_the_signature(said: Said, cuts: list[int]) -> None:
    cut = [
        Delta(choice, part, 1)
        for (choice, text), at in zip(said, cuts, strict=False)
        for part in (text[:at], text[at:])
    ]
    joined = [Delta(choice, text, 1) for choice, text in enumerate(texts(said)) if text]
    assert passed(deltas(said), cut) == FINISHED
    assert passed(cut, joined) == FINISHED


@given(said=answers, other=answers)
def test_any_other_text_has_no_signature(said: Said, other: Said) -> None:
    assume(texts(said) != texts(other))
    assert passed(deltas(said), deltas(other)) == replace(FINISHED, signature=None)


@given(said=answers, data=st.data())
def test_masking_a_single_character_drops_the_signature(said: Said, data: st.DataObject) -> None:
    spots = [(i, at) for i, (_, text) in enumerate(said) for at in range(len(text))]
    assume(spots)
    index, at = data.draw(st.sampled_from(spots))
    choice, text = said[index]
    assume(text[at] != "*")
    masked = [*said[:index], (choice, f"{text[:at]}*{text[at + 1 :]}"), *said[index + 1 :]]
    assert passed(deltas(said), deltas(masked)) == replace(FINISHED, signature=None)


def test_another_reason_drops_the_signature() -> None:
    changed = replace(FINISHED, finish_reasons=("stop", "stop"))
    assert passed([], [], changed) == replace(changed, signature=None)


CALL = Delta(0, "", 1, (), (ToolCallPart(1, '{"a": 1}', "call_1", "add"),))


def test_a_call_of_a_tool_may_come_in_pieces() -> None:
    pieces = [
        Delta(0, "", 1, (), (ToolCallPart(1, '{"a"', "call_1", "add"),)),
        Delta(0, "", 0, (), (ToolCallPart(1, ": 1}"),)),
    ]
    assert passed([CALL], pieces) == FINISHED
    assert passed(pieces, [CALL]) == FINISHED


@pytest.mark.parametrize(
    "part",
    [
        ToolCallPart(1, '{"a": 2}', "call_1", "add"),
        ToolCallPart(1, '{"a": 1}', "call_2", "add"),
        ToolCallPart(1, '{"a": 1}', "call_1", "sub"),
        ToolCallPart(0, '{"a": 1}', "call_1", "add"),
    ],
)
def test_another_call_of_a_tool_drops_the_signature(part: ToolCallPart) -> None:
    assert passed([CALL], [replace(CALL, tool_calls=(part,))]) == replace(FINISHED, signature=None)
    assert passed([CALL], []) == replace(FINISHED, signature=None)
