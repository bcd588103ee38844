"""AnswerCodec: every answer comes back as it was; whatever else is stored is refused."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_gateway.adapters.answer_codec import FORMAT, AnswerCodec
from headrace_gateway.domain.completion import (
    Answer,
    Choice,
    ModelVersion,
    TokenLogprob,
    ToolCall,
)

TEXTS = st.text(max_size=20)
COUNTS = st.integers(min_value=0, max_value=2**32 - 1)
LOGPROBS = st.floats(max_value=0, allow_nan=False, allow_infinity=False)
RIVALS = st.builds(TokenLogprob, TEXTS, LOGPROBS, st.binary(max_size=8))
TOKENS = st.builds(
    TokenLogprob,
    TEXTS,
    LOGPROBS,
    st.binary(max_size=8),
    st.lists(RIVALS, max_size=3).map(tuple),
)
CHOICES = st.builds(
    Choice,
    TEXTS,
    st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    st.lists(TOKENS, max_size=3).map(tuple),
    st.lists(st.builds(ToolCall, TEXTS, TEXTS, TEXTS), max_size=3).map(tuple),
)
ANSWERS = st.builds(
    Answer,
    st.builds(ModelVersion, TEXTS, TEXTS),
    st.lists(CHOICES, max_size=5).map(tuple),
    COUNTS,
    COUNTS,
)
CODEC = AnswerCodec()
ANSWER = Answer(ModelVersion("echo", "v1"), (Choice("Hello.", "stop"),), 3, 2)


@given(ANSWERS)
def test_every_answer_survives_the_round_trip(answer: Answer) -> None:
    decoded = CODEC.decode(CODEC.encode(answer))
    assert decoded == answer


@given(ANSWERS)
def test_equal_answers_have_equal_bytes(answer: Answer) -> None:
    assert CODEC.encode(CODEC.decode(CODEC.encode(answer))) == CODEC.encode(answer)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_answer_are_a_value_error(payload: bytes) -> None:
    for damaged in (payload, FORMAT + payload):
        with pytest.raises(ValueError):
            CODEC.decode(damaged)


def test_every_truncation_is_noticed() -> None:
    payload = CODEC.encode(ANSWER)
    for length in range(len(payload)):
        with pytest.raises(ValueError):
            CODEC.decode(payload[:length])


def test_another_format_is_not_read() -> None:
    payload = CODEC.encode(ANSWER)
    assert payload.startswith(FORMAT)
    with pytest.raises(ValueError, match="format"):
        CODEC.decode(payload.replace(FORMAT, b"answer/1\n", 1))


def test_format_2_is_these_fields() -> None:
    """Whoever changes them changes FORMAT too, or old entries are read wrongly."""
    assert FORMAT == b"answer/2\n"
    names = {
        kind: [field.name for field in fields(kind)]
        for kind in (Answer, Choice, TokenLogprob, ToolCall)
    }
    assert names == {
        Answer: ["model", "choices", "prompt_tokens", "completion_tokens"],
        Choice: ["text", "finish_reason", "logprobs", "tool_calls"],
        TokenLogprob: ["token", "logprob", "token_bytes", "top"],
        ToolCall: ["id", "name", "arguments"],
    }
