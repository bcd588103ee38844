"""A remote's chunks: several servers' shapes, what they count, and what cannot be believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.openai_remote.chunks import ChunkTranslator
from headrace_inference.adapters.openai_remote.logprobs import token_logprobs
from headrace_inference.domain.events import (
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    PromptCounted,
    TokenLogprob,
    ToolCallPart,
    Working,
)
from headrace_inference.domain.requests import Sampling

USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


def said(text: str | None, finish: str | None = None, index: int = 0, **more: Any) -> str:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"choices": [choice], **more})


def used(**usage: Any) -> str:
    return json.dumps({"choices": [], "usage": USAGE | usage})


def translated(*chunks: str, max_tokens: int = 10, **sampling: Any) -> list[EngineEvent]:
    translator = ChunkTranslator(Sampling(**sampling), max_tokens)
    events = [event for chunk in chunks for event in translator.feed(chunk)]
    return [event for event in events + translator.end() if event != Working()]


def test_chat_of_one_choice_is_counted_by_its_usage() -> None:
    assert translated(said(""), said("Hel"), said("lo"), said(None, "stop"), used()) == [
        Delta(0, "Hel", 1),
        Delta(0, "lo", 1),
        PromptCounted(9),
        ChoiceFinished(0, FinishReason.STOP, 5),
    ]


def test_usage_of_a_whole_request_is_shared_out_within_what_was_allowed() -> None:
    chunks = (said("a"), said("b", index=1), said(None, "length"), said(None, "stop", 1))
    events = translated(*chunks, used(completion_tokens=5), choices=2, max_tokens=3)
    assert [event.tokens for event in events if isinstance(event, ChoiceFinished)] == [3, 2]


def test_a_choice_that_tells_its_own_count_is_believed() -> None:
    events = translated(
        said("ab", timings={"predicted_n": 2}),  # llama.cpp
        said("c", usage=USAGE | {"completion_tokens": 4}),  # vLLM's continuous usage
        said(None, "length"),
        used(completion_tokens=4),
    )
    assert events[:2] == [Delta(0, "ab", 2), Delta(0, "c", 2)]
    assert events[-1] == ChoiceFinished(0, FinishReason.LENGTH, 4)


def test_llamacpps_usage_of_each_choice_adds_up() -> None:
    each = json.dumps({"choices": [], "usage": USAGE | {"completion_tokens": 2}, "timings": {}})
    events = translated(
        said("a"),
        said(None, "stop"),
        each,
        said("b", index=1),
        said(None, "stop", 1),
        each,
        choices=2,
    )
    assert sum(event.tokens for event in events if isinstance(event, ChoiceFinished)) == 4


def test_without_any_usage_chunks_are_counted() -> None:
    end = ChoiceFinished(0, FinishReason.STOP, 2)
    assert translated(said("a"), said("b"), said(None, "eos_token"))[-1] == end


PACKED = "All of this came at once, in one chunk. "
"""Forty bytes."""


def test_a_chunk_that_is_plainly_several_tokens_counts_as_several() -> None:
    events = translated(said(PACKED), said("so"), said(None, "stop"), max_tokens=99)
    assert events == [
        Delta(0, PACKED, 10),
        Delta(0, "so", 1),
        ChoiceFinished(0, FinishReason.STOP, 11),
    ]
    thought = {"index": 0, "delta": {"reasoning": PACKED}}
    events = translated(json.dumps({"choices": [thought]}), said("so", "stop"))
    assert events[0] == Delta(0, "so", 11)


def test_a_guess_is_within_what_was_allowed() -> None:
    end = ChoiceFinished(0, FinishReason.LENGTH, 5)
    assert translated(said(PACKED, "length"), max_tokens=5)[-1] == end


@pytest.mark.parametrize("tokens", [3, 9, 11, 50])
def test_a_usage_is_right_where_chunks_were_guessed(tokens: int) -> None:
    last = used(completion_tokens=tokens)
    events = translated(said(PACKED), said("so"), said(None, "stop"), last, max_tokens=99)
    assert events[-1] == ChoiceFinished(0, FinishReason.STOP, tokens)


def test_what_a_remote_made_after_a_stop_text_of_one_choice_is_counted() -> None:
    chunks = (said("END"), said("b", index=1), said(None, "length", 1))
    last = used(completion_tokens=20)
    events = translated(*chunks, last, choices=2, stop=("END",), max_tokens=10)
    assert [event.tokens for event in events if isinstance(event, ChoiceFinished)] == [10, 10]


@pytest.mark.parametrize("told", [(), (0,), (9, 0), (0, 9)])
def test_a_prompt_that_no_usage_tells_keeps_its_estimate(told: tuple[int, ...]) -> None:
    usages = [used(prompt_tokens=tokens) for tokens in told]
    counted = [PromptCounted(9)] if 9 in told else []
    events = translated(said("a", "stop"), *usages)
    assert [event for event in events if isinstance(event, PromptCounted)] == counted


def test_a_stop_text_ends_the_choice_and_what_follows_is_not_counted() -> None:
    translator = ChunkTranslator(Sampling(stop=("END",)), 10)
    events = [
        event for text in ("one E", "ND two", "three") for event in translator.feed(said(text))
    ]
    assert [event for event in events if event != Working()] == [Delta(0, "one ", 1)]
    assert translator.stopped
    assert translator.end() == [ChoiceFinished(0, FinishReason.STOP, 2)]


def test_text_that_only_began_a_stop_text_comes_at_the_end() -> None:
    assert translated(said("a E"), said("N", "length"), stop=("END",))[1] == Delta(0, "EN", 1)


def test_text_completions_and_their_log_probabilities() -> None:
    logprobs = {
        "tokens": [" of", "bytes:\\xe2\\x80"],
        "token_logprobs": [-0.5, -1.5],
        "top_logprobs": [{" to": -2.0, " of": -0.5}, None],
    }
    chunk = {
        "choices": [{"index": 0, "text": " of", "logprobs": logprobs, "finish_reason": "stop"}]
    }
    delta = translated(json.dumps(chunk), top_logprobs=1)[0]
    assert delta == Delta(
        0,
        " of",
        2,
        (
            TokenLogprob(" of", b" of", -0.5, (TokenLogprob(" of", b" of", -0.5),)),
            TokenLogprob("bytes:\\xe2\\x80", b"\xe2\x80", -1.5),
        ),
    )


def test_chats_log_probabilities_wait_for_their_text() -> None:
    entry = {"token": "é", "bytes": [195, 169], "logprob": -1, "top_logprobs": []}
    first = {"index": 0, "delta": {"content": ""}, "logprobs": {"content": [entry]}}
    events = translated(json.dumps({"choices": [first]}), said("é", "stop"), top_logprobs=0)
    assert isinstance(events[0], Delta)
    assert events[0].logprobs == (TokenLogprob("é", "é".encode(), -1.0),)
    assert token_logprobs({"content": [entry]}, None) == []


def test_calls_of_tools_come_in_pieces() -> None:
    def piece(**function: str) -> str:
        call = {"index": 0, "function": function} | ({"id": "c1"} if "name" in function else {})
        return json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})

    events = translated(
        piece(name="f", arguments=""), piece(arguments="{}"), said(None, "tool_calls")
    )
    assert events == [
        Delta(0, "", 1, (), (ToolCallPart(0, "", "c1", "f"),)),
        Delta(0, "", 1, (), (ToolCallPart(0, "{}"),)),
        ChoiceFinished(0, FinishReason.TOOL_CALLS, 2),
    ]


@pytest.mark.parametrize("told", [2**40, [0] * 257, [256], "ab", {"1": 1}])
def test_bytes_that_no_token_has_fail_the_answer(told: object) -> None:
    entry = {"token": "a", "bytes": told, "logprob": -1}
    chunk = {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [entry]}}]}
    with pytest.raises(HeadraceError, match="nonsense") as caught:
        translated(json.dumps(chunk), top_logprobs=0)
    assert caught.value.reason is Reason.ENGINE_FAILED


def test_reasoning_is_counted_and_not_shown() -> None:
    thought = json.dumps({"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]})
    assert translated(thought, said("so", "stop"))[0] == Delta(0, "so", 2)


@pytest.mark.parametrize(
    "chunk",
    [
        "",
        "[",
        "3",
        "[]",
        '"error"',
        '{"choices": 1}',
        '{"choices": [{}]}',
        said("x", index=1),
        said("x", index=-1),
        said("x", "abort"),
        said("\ud83d"),
        '{"choices": [{"index": 0, "delta": {"content": 7}}]}',
        '{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 128}]}}]}',
        '{"choices": [], "usage": {"prompt_tokens": "many"}}',
        '{"error": {"message": "canary", "type": "server_error"}}',
        '{"error": "canary in words"}',
        "[" * 100_000,
    ],
)
def test_errors_and_nonsense_in_the_middle_fail_the_answer(chunk: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        translated(said("a"), chunk, said("b", "stop"))
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert "canary" not in caught.value.message


def test_an_answer_that_ends_before_all_choices_did_is_broken() -> None:
    with pytest.raises(HeadraceError, match="broke off"):
        translated(said("a", "stop"), choices=2)


@given(
    texts=st.lists(st.text(st.sampled_from("abAB é"), max_size=4), max_size=8),
    stops=st.lists(st.text(st.sampled_from("abAB"), min_size=1, max_size=3), max_size=2),
)
def test_what_comes_out_is_the_text_up_to_the_first_stop_text(
    texts: list[str], stops: list[str]
) -> None:
    events = translated(*map(said, texts), said(None, "stop"), stop=tuple(stops))
    whole = "".join(texts)
    ends = [at for at in (whole.find(stop) for stop in stops) if at >= 0]
    out = "".join(event.text for event in events if isinstance(event, Delta))
    assert whole.startswith(out)
    if not ends:
        assert out == whole
    assert not any(stop in out for stop in stops)
