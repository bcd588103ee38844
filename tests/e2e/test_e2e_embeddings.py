"""Embeddings by the official `openai` client against the running stack and the real model."""

import asyncio
import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

import httpx
import openai
import pytest
from tests.stack.audit import row_where

from headrace_local.access import Access
from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID
from headrace_local.stack import Stack

TEXTS = (
    "How do I reset my password?",
    "I forgot my login and need a new one.",
    "Add two eggs and a cup of flour.",
)


def _similarity(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _embed(client: openai.OpenAI, *texts: str, **options: Any) -> list[list[float]]:
    answer = client.embeddings.create(model=EMBEDDING_MODEL_ID, input=list(texts), **options)
    assert [entry.index for entry in answer.data] == list(range(len(texts)))
    return [entry.embedding for entry in answer.data]


def test_what_means_the_same_is_near(client: openai.OpenAI) -> None:
    password, login, flour = _embed(client, *TEXTS)
    assert len(password) == 384
    assert math.hypot(*password) == pytest.approx(1, abs=1e-4)
    assert _similarity(password, login) > _similarity(password, flour) + 0.3


def test_numbers_and_base64_are_the_same_vectors(client: openai.OpenAI) -> None:
    [plain] = _embed(client, TEXTS[0], encoding_format="float")
    [decoded] = _embed(client, TEXTS[0])  # the client asks for base64 and decodes it
    assert decoded == pytest.approx(plain, abs=1e-6)
    raw = client.embeddings.with_raw_response.create(
        model=EMBEDDING_MODEL_ID, input=TEXTS[0], encoding_format="base64"
    )
    packed = base64.b64decode(raw.http_response.json()["data"][0]["embedding"])
    assert struct.unpack("<384f", packed) == pytest.approx(plain, abs=1e-6)


def test_fewer_dimensions_are_the_first_ones_at_length_one(client: openai.OpenAI) -> None:
    [whole] = _embed(client, TEXTS[0])
    [short] = _embed(client, TEXTS[0], dimensions=64)
    length = math.hypot(*whole[:64])
    assert short == pytest.approx([value / length for value in whole[:64]], abs=1e-5)


def test_many_texts_keep_their_order(client: openai.OpenAI) -> None:
    many = _embed(client, *(f"{text} {number}" for number in range(40) for text in TEXTS))
    [last] = _embed(client, f"{TEXTS[-1]} 39")
    assert _similarity(many[-1], last) > 0.999


def test_each_use_is_a_row(client: openai.OpenAI, stack: Stack) -> None:
    raw = client.embeddings.with_raw_response.create(model=EMBEDDING_MODEL_ID, input=TEXTS[0])
    usage = raw.parse().usage
    assert usage.prompt_tokens == usage.total_tokens == 9
    where = "request_id = $1 AND writer LIKE 'gateway/%'"
    row = asyncio.run(row_where(stack, where, raw.headers["x-request-id"]))
    assert (row["kind"], row["outcome"]) == ("embedding", "succeeded")
    assert (row["model"], row["prompt_tokens"]) == (EMBEDDING_MODEL_ID, 9)
    assert (row["completion_tokens"], row["http_status"]) == (0, 200)
    assert row["operation"] == "POST /v1/embeddings"


def test_a_text_that_is_too_long_is_named_and_never_cut(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        _embed(client, "short", "word " * 600)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input[1]")


def test_each_model_refuses_what_the_other_is_for(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="makes no embeddings") as no_vectors:
        client.embeddings.create(model=MODEL_ID, input="hello")
    with pytest.raises(openai.BadRequestError, match="embeddings only") as no_text:
        client.chat.completions.create(
            model=EMBEDDING_MODEL_ID, messages=[{"role": "user", "content": "hello"}]
        )
    for refused in (no_vectors, no_text):
        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "model")


def test_a_key_s_rate_bounds_embeddings_too(http: httpx.Client, access: Access) -> None:
    login = {"email": access.email, "password": access.password}
    token = http.post("/api/v1/auth/login", json=login).json()["access_token"]
    wanted = {"name": "embeddings", "requests_per_minute": 1}
    made = http.post("/api/v1/keys", json=wanted, headers={"authorization": f"Bearer {token}"})
    headers = {"authorization": f"Bearer {made.json()['secret']}"}
    body = {"model": EMBEDDING_MODEL_ID, "input": "hello"}
    answers = [http.post("/v1/embeddings", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["error"]["code"] == "rate_limit_exceeded"
