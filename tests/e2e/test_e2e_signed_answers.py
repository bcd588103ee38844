"""Signed answers through the whole stack, as the official client gets them, verified offline."""

from typing import Any

import httpx
import openai
import pytest
from tests.stack.signed_answers import KEYS, documented_verifier

from headrace_local.components import MODEL_ID

BODY: dict[str, Any] = {
    "model": MODEL_ID,
    "messages": [{"role": "user", "content": "Name a river."}],
    "max_tokens": 12,
    "temperature": 0.7,
    "seed": 7,
}
verify = documented_verifier()


def test_a_whole_answer_verifies_and_another_text_does_not(
    client: openai.OpenAI, http: httpx.Client
) -> None:
    keys = http.get(KEYS).raise_for_status().json()
    answer = client.chat.completions.create(**BODY).to_dict()
    statement = verify(BODY, answer, keys)
    assert statement["model"] == MODEL_ID
    answer["choices"][0]["message"]["content"] += " "
    with pytest.raises(ValueError, match="another request or answer"):
        verify(BODY, answer, keys)


def test_a_streamed_answer_verifies(client: openai.OpenAI, http: httpx.Client) -> None:
    chunks = list(client.chat.completions.create(**BODY, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    last = chunks[-1].to_dict()
    reason = chunks[-1].choices[0].finish_reason
    whole = {**last, "choices": [{"message": {"content": text}, "finish_reason": reason}]}
    assert verify(BODY, whole, http.get(KEYS).raise_for_status().json())
