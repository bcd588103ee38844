"""Money, end to end: prices and a key's budget are set, spent to the end, refused, and audited."""

from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
from tests.stack.audit import row_where

from headrace_local.access import Access
from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack

INPUT, OUTPUT = 1, 10
"""Millionths a token."""
CAP = 800
ANSWER_TOKENS = 8


@pytest.fixture
def administrator(http: httpx.Client, access: Access) -> dict[str, str]:
    """Headers of the logged-in administrator, once it has set a price."""
    credentials = {"email": access.email, "password": access.password}
    token = http.post("/api/v1/auth/login", json=credentials).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    price = {
        "model": MODEL_ID,
        "input_micros_per_million_tokens": INPUT * 1_000_000,
        "output_micros_per_million_tokens": OUTPUT * 1_000_000,
    }
    table = {"currency": "EUR", "prices": [price]}
    answer = http.post("/api/v1/prices", json=table, headers=headers)
    assert answer.status_code == 201, answer.text
    return headers


@pytest.fixture
def spender(
    http: httpx.Client, client: openai.OpenAI, administrator: dict[str, str]
) -> openai.OpenAI:
    """The official client with a key that may spend so much a month."""
    budget = {
        "amount_micros": CAP,
        "currency": "EUR",
        "period": "month",
        "time_zone": "Asia/Shanghai",
    }
    wanted = {"name": "spender", "budget": budget, "concurrent_requests": 2}
    made = http.post("/api/v1/keys", json=wanted, headers=administrator)
    assert made.status_code == 201, made.text
    return client.with_options(api_key=made.json()["secret"])


def _ask(client: openai.OpenAI) -> Any:
    return client.chat.completions.with_raw_response.create(
        model=MODEL_ID,
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=ANSWER_TOKENS,
    )


def _spend_all(client: openai.OpenAI) -> tuple[list[Any], openai.RateLimitError]:
    """The answers that the budget bought, and the refusal after them."""
    answers = []
    for _ in range(CAP):
        try:
            answers.append(_ask(client))
        except openai.RateLimitError as refusal:
            return answers, refusal
    raise AssertionError("the budget does not end")


async def test_a_budget_is_spent_to_the_last_answer_that_fits(
    stack: Stack, spender: openai.OpenAI
) -> None:
    answers, refusal = _spend_all(spender)
    spent = 0
    for answer in answers:
        usage = answer.parse().usage
        row = await row_where(stack, "request_id = $1", answer.headers["x-request-id"])
        assert (row["prompt_tokens"], row["completion_tokens"]) == (
            usage.prompt_tokens,
            usage.completion_tokens,
        )
        spent += INPUT * row["prompt_tokens"] + OUTPUT * row["completion_tokens"]
    assert len(answers) > 1
    assert spent <= CAP
    assert (refusal.code, refusal.type) == ("insufficient_quota", "insufficient_quota")
    assert int(refusal.response.headers["retry-after"]) > 0
    left = f"and {Decimal(CAP - spent) / 1_000_000:.6f} EUR is left of this API key's budget"
    assert left in refusal.message
