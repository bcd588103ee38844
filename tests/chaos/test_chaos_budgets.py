"""kill -9 of the gateway while a budget is spent: it keeps its cap, and the audit has the sum."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from tests.chaos.callers import Answer, Question, ask, client_of
from tests.chaos.conftest import StackFactory
from tests.chaos.recovery import kill_and_recover, wait_for_more
from tests.stack.audit import DELIVERY_SECONDS, rows_where

from headrace_local.components import ADMISSION, MODEL_ID
from headrace_local.stack import Stack

INPUT, OUTPUT = 1, 10
"""Millionths a token."""
CAP = 150_000
SPENDERS = 8
LONGEST = 60
"""Words of an answer; the echo engine takes each for a token."""
LARGEST = LONGEST * (INPUT + OUTPUT)
KILLS = 4
LEASE_SECONDS = 3.0
REFUSED = "insufficient_quota"


@asynccontextmanager
async def _spending(stack: Stack) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client with a key of its own that has a budget, and the key's id."""
    async with client_of(stack) as client:
        credentials = {"email": stack.access.email, "password": stack.access.password}
        login = await client.post("/api/v1/auth/login", json=credentials)
        headers = {"authorization": f"Bearer {login.json()['access_token']}"}
        price = {
            "model": MODEL_ID,
            "input_micros_per_million_tokens": INPUT * 1_000_000,
            "output_micros_per_million_tokens": OUTPUT * 1_000_000,
        }
        table = {"currency": "EUR", "prices": [price]}
        priced = await client.post("/api/v1/prices", json=table, headers=headers)
        assert priced.status_code == 201, priced.text
        budget = {"currency": "EUR", "period": "month", "time_zone": "UTC", "amount_micros": CAP}
        wanted = {"name": "spender", "budget": budget}
        made = await client.post("/api/v1/keys", json=wanted, headers=headers)
        assert made.status_code == 201, made.text
        client.headers["authorization"] = f"Bearer {made.json()['secret']}"
        yield client, made.json()["id"]


async def _spend(
    client: httpx.AsyncClient, answers: list[Answer], killing: "asyncio.Future[None]"
) -> None:
    """Ask until nothing is left, nor anybody killed any more."""
    while True:
        words = random.randint(LONGEST // 2, LONGEST)
        prompt = " ".join(f"{random.randrange(10**6)}" for _ in range(words))
        answer = await ask(client, Question(prompt, random.random() < 0.5, True))
        answers.append(answer)
        if answer.code == REFUSED and killing.done():
            return
        if not answer.good:
            await asyncio.sleep(0.05)


def _kill_some(stack: Stack, answers: list[Answer]) -> None:
    for _ in range(KILLS):
        wait_for_more(answers, random.randint(10, 30))
        kill_and_recover(stack, ["gateway"], answers)


async def _account(stack: Stack, client: httpx.AsyncClient) -> dict[bytes, bytes]:
    """The budget's account, once all leases of the dead have ended and somebody has asked."""
    async with (
        Redis.from_url(stack.plan.redis_url(ADMISSION)) as redis,
        asyncio.timeout(10 * LEASE_SECONDS),
    ):
        keys = [key async for key in redis.scan_iter("*:budget:api_key:*")]
        name = min(keys, key=len)
        while await redis.zcard(name + b":leases"):
            await ask(client, Question("word"))
            await asyncio.sleep(LEASE_SECONDS / 10)
        account: Any = await redis.hgetall(name)
        return dict(account)


async def _rows(stack: Stack, key_id: str, answers: list[Answer]) -> list[Any]:
    """The audit's rows of the key, once there is one of every answer."""
    wanted = {answer.request_id for answer in answers if answer.status == 200}
    async with asyncio.timeout(DELIVERY_SECONDS):
        while True:
            rows = await rows_where(stack, "credential_id = $1", key_id)
            if wanted <= {row["request_id"] for row in rows}:
                return rows
            await asyncio.sleep(0.1)  # delivery is asynchronous and tells nobody


def _cost(row: Any) -> int:
    return INPUT * (row["prompt_tokens"] or 0) + OUTPUT * (row["completion_tokens"] or 0)


@pytest.mark.timeout(240)
async def test_kills_neither_overspend_a_budget_nor_lose_what_was_spent(
    make_stack: StackFactory, report: Callable[[str], None]
) -> None:
    settings = {"gateway": {"admission_lease_seconds": str(LEASE_SECONDS)}}
    with make_stack(settings) as stack:
        async with _spending(stack) as (client, key_id):
            answers: list[Answer] = []
            killing = asyncio.ensure_future(asyncio.to_thread(_kill_some, stack, answers))
            await asyncio.gather(*(_spend(client, answers, killing) for _ in range(SPENDERS)))
            await killing
            account = await _account(stack, client)
            rows = await _rows(stack, key_id, answers)
    spent, audited = int(account[b"spent"]), sum(map(_cost, rows))
    cut = [row for row in rows if row["error_reason"] == "INTERRUPTED"]
    report(f"{len(answers)} calls, {len(cut)} killed; spent {spent}, audited {audited} of {CAP}")
    assert int(account[b"reserved"]) == 0
    # One event of each answer that ran when nothing was left: a word.
    assert CAP - LARGEST * SPENDERS <= spent <= CAP + OUTPUT * SPENDERS
    # Every answer that ended is in both; of the killed, what was told by the last renewal is spent.
    assert 0 <= spent - audited <= LARGEST * len(cut)
    assert cut, "no kill met an answer"
