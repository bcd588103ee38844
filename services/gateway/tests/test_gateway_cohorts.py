"""Cohorts: callers stay with the targets they have, may name others, and are told which it was."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.routes import Endpoint, Target
from headrace_gateway.testing.gateway import PRINCIPAL, Gateway, running_gateway
from headrace_gateway.testing.routing import fixed_router

CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
HEADER = "x-headrace-cohort"


def _routing(registry: Any, clock: FakeClock) -> Any:
    stable, canary = Endpoint("chat:1", "stable"), Endpoint("chat:1", "canary")
    return fixed_router(
        {stable.name: EchoTarget("chat", "v1"), canary.name: EchoTarget("chat", "v2")},
        refresh_seconds=3600,
        table={"chat": ((Target(stable, "chat", 50), Target(canary, "chat", 50)),)},
        clock=clock,
        registry=registry,
    )


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(routing=_routing) as running:
        yield running


async def cohort(gateway: Gateway, key: str = "", **headers: str) -> str:
    if key:
        gateway.accounts.principals[key] = replace(PRINCIPAL, user_id=key)
        headers["authorization"] = f"Bearer {key}"
    response = await gateway.client.post(CHAT, json=BODY, headers=headers)
    assert response.status_code == 200
    return response.headers[HEADER]


async def test_a_user_stays_with_one_of_the_cohorts(gateway: Gateway) -> None:
    users = [f"hr_{number}" for number in range(12)]
    once = [await cohort(gateway, user) for user in users]
    again = [await cohort(gateway, user) for user in users]
    assert once == again
    assert set(once) == {"stable", "canary"}


async def test_a_session_that_names_itself_stays_too(gateway: Gateway) -> None:
    sessions = [f"session-{number}" for number in range(12)]
    once = [await cohort(gateway, **{HEADER: session}) for session in sessions]
    again = [await cohort(gateway, **{HEADER: session}) for session in sessions]
    assert once == again
    assert set(once) == {"stable", "canary"}


@pytest.mark.parametrize(("name", "version"), [("stable", "v1"), ("canary", "v2")])
async def test_who_names_a_cohort_gets_it_and_everybody_is_told(
    gateway: Gateway, name: str, version: str
) -> None:
    with capture_logs() as logs:
        assert await cohort(gateway, **{HEADER: name}) == name
    [exchange] = gateway.events.exchanges
    assert (exchange.cohort, exchange.model_version) == (name, version)
    assert next(log for log in logs if log["event"] == "request")["cohort"] == name


@pytest.mark.parametrize("value", ["a b", "x" * 65, "-"])
@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
async def test_what_is_no_cohort_is_refused_by_name(
    gateway: Gateway, path: str, value: str
) -> None:
    body = BODY if path == CHAT else {"model": "chat", "input": "hi"}
    response = await gateway.client.post(path, json=body, headers={HEADER: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == HEADER


async def test_two_cohorts_are_none(gateway: Gateway) -> None:
    headers = [(HEADER, "stable"), (HEADER, "canary")]
    response = await gateway.client.post(CHAT, json=BODY, headers=headers)
    assert response.status_code == 400


async def test_each_version_has_its_own_answers_in_the_cache(gateway: Gateway) -> None:
    statuses = []
    for name in ("stable", "canary", "stable"):
        response = await gateway.client.post(
            CHAT, json=BODY | {"temperature": 0}, headers={HEADER: name}
        )
        statuses.append(response.headers["x-headrace-cache"])
    assert statuses == ["miss", "miss", "hit"]
