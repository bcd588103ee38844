"""kill -9 of three gateways while budgets are spent: caps hold, and the audit has what is spent."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from redis.asyncio import Redis
from tests.chaos.callers import HUNG, Answer, Question, ask, client_of
from tests.chaos.conftest import StackFactory
from tests.chaos.gateways import Gateways, gateways_beside
from tests.stack.audit import DELIVERY_SECONDS, rows_where

from headrace_local.components import ADMISSION, MODEL_ID
from headrace_local.stack import Stack

SEEDS = (1, 2, 3)
INPUT, OUTPUT = 1, 10
"""Millionths a token."""
CAP = 400_000
KEY_CAP = CAP // 4
CALLERS = 24
LONGEST = 700
"""Words of an answer, of which the echo engine takes each for a token: two seconds' worth."""
LARGEST = LONGEST * (INPUT + OUTPUT)
LEASE_SECONDS = 3.0
REFUSED = "insufficient_quota"
SETTINGS = {
    "admission_lease_seconds": str(LEASE_SECONDS),
    "default_requests_per_minute": "1000000",
    "replicas": "3",
}


@asynccontextmanager
async def _keys(stack: Stack) -> AsyncIterator[list[str]]:
    """Two keys of an organisation that has a budget; one has a budget of its own, too."""
    async with client_of(stack) as client:
        credentials = {"email": stack.access.email, "password": stack.access.password}
        login = await client.post("/api/v1/auth/login", json=credentials)
        client.headers["authorization"] = f"Bearer {login.json()['access_token']}"
        price = {
            "model": MODEL_ID,
            "input_micros_per_million_tokens": INPUT * 1_000_000,
            "output_micros_per_million_tokens": OUTPUT * 1_000_000,
        }
        table = {"currency": "EUR", "prices": [price]}
        (await client.post("/api/v1/prices", json=table)).raise_for_status()
        month = {"currency": "EUR", "period": "month", "time_zone": "UTC"}
        shared = {"subject": "organization", "amount_micros": CAP, **month}
        (await client.put("/api/v1/budgets", json=shared)).raise_for_status()
        own = {"amount_micros": KEY_CAP, **month}
        made = [
            await client.post("/api/v1/keys", json={"name": f"spender {number}", "budget": budget})
            for number, budget in enumerate((None, own))
        ]
        yield [each.raise_for_status().json()["secret"] for each in made]


@dataclass(slots=True)
class Spenders:
    """Callers who ask until nothing is left; what they do, and when they leave, comes by chance."""

    gateways: Gateways
    keys: Sequence[str]
    seed: int
    answers: list[Answer] = field(default_factory=list)
    exhausted: asyncio.Event = field(default_factory=asyncio.Event)

    async def spend(self, caller: int) -> None:
        chance = random.Random(f"{self.seed} caller {caller}")
        key = self.keys[caller % 3 == 0]
        refused = 0
        while refused < 3:
            answer = await self._ask(chance, key)
            self.answers.append(answer)
            refused = refused + 1 if answer.code == REFUSED else 0
            if not answer.good:
                await asyncio.sleep(0.05)
        if caller % 3:
            self.exhausted.set()

    async def _ask(self, chance: random.Random, key: str) -> Answer:
        words = chance.randint(1, LONGEST)
        prompt = " ".join(f"{chance.randrange(10**6)}" for _ in range(words))
        cap = words if chance.random() < 0.7 else None  # else it is reserved in steps
        question = Question(prompt, streamed=chance.random() < 0.7, max_tokens=cap)
        patience = chance.uniform(0.1, 1.0) if chance.random() < 0.1 else 60.0
        client = chance.choice(self.gateways.clients)
        client.headers["authorization"] = f"Bearer {key}"
        return await ask(client, question, patience)


async def _kill(gateways: Gateways, spenders: Spenders) -> int:
    """One or all of them, running or starting, until the budget is spent; how many were killed."""
    chance, killed = random.Random(f"{spenders.seed} kills"), 0
    while not spenders.exhausted.is_set():
        if chance.random() < 0.7:
            await gateways.until_ready()
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        which = range(3) if chance.random() < 0.2 else [chance.randrange(3)]
        killed += sum([gateways.kill(number) for number in which])
    return killed


async def _accounts(stack: Stack, spenders: Spenders) -> dict[str, int]:
    """What is spent of each budget, once nobody holds a lease any more."""
    async with (
        Redis.from_url(stack.plan.redis_url(ADMISSION), decode_responses=True) as redis,
        asyncio.timeout(20 * LEASE_SECONDS),
    ):
        while [key async for key in redis.scan_iter("*:budget:*:leases")]:
            for key in spenders.keys:  # whoever asks has leases that ended reclaimed
                client = spenders.gateways.clients[0]
                client.headers["authorization"] = f"Bearer {key}"
                spenders.answers.append(await ask(client, Question("word " * LONGEST)))
            await asyncio.sleep(LEASE_SECONDS / 10)
        accounts: dict[str, Any] = {
            name.partition(":budget:")[2]: await redis.hgetall(name)
            async for name in redis.scan_iter("*:budget:*")
        }
    assert {account["reserved"] for account in accounts.values()} == {"0"}
    return {name: int(account["spent"]) for name, account in accounts.items()}


async def _rows(stack: Stack, answers: Sequence[Answer]) -> list[Any]:
    """The audit's rows of completions, once there is one of every answer that had an id."""
    wanted = {answer.request_id for answer in answers if answer.request_id}
    async with asyncio.timeout(DELIVERY_SECONDS):
        while True:
            rows = await rows_where(stack, "kind = 'completion'")
            if wanted <= {row["request_id"] for row in rows}:
                return rows
            await asyncio.sleep(0.1)  # delivery is asynchronous and tells nobody


def _audited(rows: Sequence[Any]) -> dict[str, int]:
    """The costs by budget, under the names that accounts have."""
    sums: Counter[str] = Counter()
    for row in rows:
        for budget in json.loads(row["charged_budgets"] or "[]"):
            start = int(datetime.fromisoformat(budget["period_start"]).timestamp())
            whose = f"{budget['subject']}:{budget['model'] or '*'}"
            name = f"{whose}:{row['cost_currency']}:{budget['period']}:{start}"
            sums[name] += row["cost_micros"]
    return dict(sums)


def _told(seed: int, killed: int, answers: Sequence[Answer], rows: Sequence[Any]) -> str:
    ends = Counter(
        "left" if answer.broken == HUNG else answer.broken or answer.code or "good"
        for answer in answers
    )
    cut = [row["cost_micros"] for row in rows if row["error_reason"] == "INTERRUPTED"]
    spent = sum(row["cost_micros"] for row in rows if row["cost_micros"])
    return (
        f"seed {seed}: {killed} gateways killed, {dict(ends)}; {spent} of {CAP} spent, "
        f"{sum(cut)} of it by {sum(map(bool, cut))} of {len(cut)} answers that a kill met"
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_kills_neither_overspend_a_budget_nor_lose_what_was_spent(
    make_stack: StackFactory, report: Callable[[str], None], seed: int
) -> None:
    with make_stack({"gateway": SETTINGS}) as stack:
        async with _keys(stack) as keys, gateways_beside(stack, 3) as gateways:
            spenders = Spenders(gateways, keys, seed)
            killing = asyncio.create_task(_kill(gateways, spenders))
            await asyncio.gather(*map(spenders.spend, range(CALLERS)))
            killed = await killing
            await gateways.until_ready()
            accounts = await _accounts(stack, spenders)
            await gateways.until_delivered()
            rows = await _rows(stack, spenders.answers)
    report(_told(seed, killed, spenders.answers, rows))
    assert accounts == _audited(rows)
    assert len(accounts) == 2
    interrupted = [row for row in rows if row["error_reason"] == "INTERRUPTED"]
    assert any(row["cost_micros"] for row in interrupted), "no kill met an answer that was noted"
    # One event of each answer that ran when nothing was left, and what was lent again of those
    # whose gateway came back too late.
    over = OUTPUT * CALLERS + sum(row["cost_micros"] for row in interrupted)
    for name, spent in accounts.items():
        cap = KEY_CAP if name.startswith("api_key:") else CAP
        assert cap - LARGEST * CALLERS <= spent <= cap + over
