"""Whether an account exists cannot be told: not by the answer, and not by how long it takes."""

import math
import random
import time
from typing import Any

import pytest
from tests.security.world import World, running_world

from headrace_auth.testing.directory import OWNER

PAIRS = 200
WITHIN_SECONDS = 0.002


def _without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {"error": body["error"] | {"request_id": ""}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login", {"password": "wrong"}),
        ("login", {"password": "wrong", "code": "123456"}),
        ("email/resend", {}),
        ("password/forgot", {}),
        ("register", {"password": "another horse battery staple"}),
    ],
)
async def test_the_answer_is_the_same(world: World, path: str, body: dict[str, Any]) -> None:
    answers = []
    for email in (OWNER.email, "nobody@acme.test"):
        response = await world.client.post(f"/api/v1/auth/{path}", json={"email": email, **body})
        told = response.json()
        answers.append((response.status_code, _without_id(told) if "error" in told else told))
    assert answers[0] == answers[1]
    assert answers[0][0] != 404


async def test_a_wrong_password_takes_as_long_as_an_unknown_account() -> None:
    """200 interleaved pairs: the 95% confidence interval of the difference is within 2 ms.

    Of the median, by order statistics, for what else a machine does falls on a few of them.
    """
    async with running_world(argon2_memory_kib=1024) as world:
        differences = []
        for number in range(PAIRS):
            # Past what a lock-out counts, so that each attempt is really looked at.
            world.clock.advance(3601)
            emails = [OWNER.email, f"nobody{number}@acme.test"]
            first = random.random() < 0.5
            took = {}
            for email in emails if first else reversed(emails):
                body = {"email": email, "password": f"wrong {number}"}
                started = time.perf_counter()
                response = await world.client.post("/api/v1/auth/login", json=body)
                took[email] = time.perf_counter() - started
                assert response.status_code == 401
            differences.append(took[emails[0]] - took[emails[1]])
    ranked, margin = sorted(differences), math.ceil(1.96 * PAIRS**0.5 / 2)
    interval = (ranked[PAIRS // 2 - margin], ranked[PAIRS // 2 + margin])
    assert -WITHIN_SECONDS < interval[0] < interval[1] < WITHIN_SECONDS, interval
