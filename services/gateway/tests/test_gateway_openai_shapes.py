"""OpenAI's shapes of a choice, where an answer has nothing to show."""

import pytest

from headrace_gateway.domain.completion import Choice, Delta, TokenLogprob
from headrace_gateway.http.openai_shapes import ChatShape, Json, TextShape

NOTHING_TO_SHOW = Choice("", "length")
"""Its only token is part of a character."""
ENTRY = TokenLogprob("a", -0.5, b"a")
OF_CHAT: Json = {"content": [], "refusal": None}
OF_TEXT: Json = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}


@pytest.mark.parametrize(("asked", "shown"), [(True, OF_CHAT), (False, None)])
def test_a_chat_that_asked_for_log_probabilities_finds_a_list(
    asked: bool, shown: Json | None
) -> None:
    shape = ChatShape(functions=False, logprobs=asked)
    assert shape.choice(0, NOTHING_TO_SHOW)["logprobs"] == shown


@pytest.mark.parametrize(("asked", "shown"), [(True, OF_TEXT), (False, None)])
def test_a_text_that_asked_for_log_probabilities_finds_lists(
    asked: bool, shown: Json | None
) -> None:
    assert TextShape(logprobs=asked).choice(0, NOTHING_TO_SHOW)["logprobs"] == shown


@pytest.mark.parametrize("shape", [ChatShape(functions=False, logprobs=True), TextShape()])
def test_a_chunk_without_entries_has_none(shape: ChatShape | TextShape) -> None:
    assert shape.piece(Delta(0, "a", 1))["logprobs"] is None
    assert shape.piece(Delta(0, "a", 1, (ENTRY,)))["logprobs"]
