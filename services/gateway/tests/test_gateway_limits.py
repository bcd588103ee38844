"""The gateway's edge beyond its bounds: clear 503s in time, and room again when callers leave."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import CompletionRequest, Events
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

CHAT = "/v1/chat/completions"
BODY = json.dumps(
    {"model": "echo", "messages": [{"role": "user", "content": "one " * 500}]}
).encode()
PLACES = 8
EXCESS = 2 * PLACES
DEADLINE_SECONDS = 5.0


class SlowTarget(EchoTarget):
    """Echoes once its door is open."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.full = asyncio.Event()
        self.door = asyncio.Event()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.waiting += 1
        if self.waiting == PLACES:
            self.full.set()
        await self.door.wait()
        async for event in super().generate(request_id, tenant, request):
            yield event


@pytest.fixture
async def target() -> SlowTarget:
    return SlowTarget()


@pytest.fixture
async def gateway(target: SlowTarget) -> AsyncIterator[Gateway]:
    """One that has room for the bodies of PLACES requests."""
    room = PLACES * len(BODY) + len(BODY) // 2
    async with running_gateway(
        target,
        maximum_body_bytes=len(BODY),
        maximum_body_bytes_in_flight=room,
        maximum_share_per_organization=1,
    ) as running:
        yield running


async def _never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def _announced() -> Any:
    return BODY


async def _chunked() -> AsyncIterator[bytes]:
    yield BODY[:100]
    yield BODY[100:]


def _ask(gateway: Gateway, content: Any) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(gateway.client.post(CHAT, content=content))


def _is_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("queue_full", "server_error")
    assert error["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("body", [_announced, _chunked])
async def test_bodies_beyond_the_bound_of_all_are_refused_and_the_others_answered(
    gateway: Gateway, target: SlowTarget, body: Callable[[], Any]
) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        held = [_ask(gateway, body()) for _ in range(PLACES)]
        await target.full.wait()
        for answer in await asyncio.gather(*(_ask(gateway, body()) for _ in range(EXCESS))):
            _is_refused(answer)
        assert (await gateway.client.get("/v1/models")).status_code == 200  # it has no body
        assert target.waiting == PLACES
        target.door.set()
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
        again = await asyncio.gather(*(_ask(gateway, body()) for _ in range(PLACES)))
        assert {answer.status_code for answer in again} == {200}


async def test_of_many_bodies_at_once_as_many_arrive_as_there_is_room_for(
    gateway: Gateway, target: SlowTarget
) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        calls = {_ask(gateway, BODY) for _ in range(PLACES + EXCESS)}
        refused: set[asyncio.Task[httpx.Response]] = set()
        while len(refused) < EXCESS:
            done, calls = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        for call in refused:
            _is_refused(call.result())
        target.door.set()
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}


async def test_callers_that_leave_make_room(gateway: Gateway, target: SlowTarget) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        leaving = [_ask(gateway, BODY) for _ in range(PLACES)]
        await target.full.wait()
        for call in leaving:
            call.cancel()
        await asyncio.wait(leaving)
        target.door.set()
        answers = await asyncio.gather(*(_ask(gateway, BODY) for _ in range(PLACES)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_stranger_takes_no_room_for_a_body(gateway: Gateway) -> None:
    stranger = {"authorization": f"Bearer {KEY}x"}
    answers = [
        await gateway.client.post(CHAT, content=BODY, headers=stranger) for _ in range(EXCESS)
    ]
    assert {answer.status_code for answer in answers} == {401}


async def test_requests_beyond_the_bound_are_refused_and_the_others_answered(
    target: SlowTarget,
) -> None:
    async with (
        running_gateway(
            target, maximum_requests_in_flight=PLACES, maximum_share_per_organization=1
        ) as gateway,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        held = [_ask(gateway, BODY) for _ in range(PLACES)]
        await target.full.wait()
        for answer in await asyncio.gather(*(_ask(gateway, BODY) for _ in range(EXCESS))):
            _is_refused(answer)
        target.door.set()
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
        assert (await gateway.client.post(CHAT, content=BODY)).status_code == 200


async def test_a_bound_of_all_bodies_below_that_of_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="must not be below maximum_body_bytes"):
        async with running_gateway(maximum_body_bytes=4096, maximum_body_bytes_in_flight=2048):
            pass


@pytest.mark.parametrize(
    "bounds",
    [
        {"maximum_requests_in_flight": 2 * PLACES},
        {
            "maximum_body_bytes": len(BODY),
            "maximum_body_bytes_in_flight": 2 * PLACES * len(BODY) + 1,
        },
    ],
    ids=["requests", "bytes"],
)
async def test_one_organization_leaves_room_for_the_others(
    target: SlowTarget, bounds: dict[str, Any]
) -> None:
    async with running_gateway(target, **bounds) as gateway, asyncio.timeout(DEADLINE_SECONDS):
        gateway.accounts.principals["hr_other"] = replace(PRINCIPAL, organization_id="org_2")
        other = {"authorization": "Bearer hr_other"}
        held = [_ask(gateway, BODY) for _ in range(PLACES)]
        await target.full.wait()
        _is_refused(await gateway.client.post(CHAT, content=BODY))
        target.door.set()
        assert (await gateway.client.post(CHAT, content=BODY, headers=other)).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}
        assert (await gateway.client.post(CHAT, content=BODY)).status_code == 200


async def test_strangers_do_not_crowd_out_who_is_known_while_auth_hangs() -> None:
    async with (
        running_gateway(maximum_strangers_in_flight=PLACES) as gateway,
        asyncio.timeout(DEADLINE_SECONDS),
    ):
        assert (await gateway.client.post(CHAT, content=BODY)).status_code == 200
        gateway.accounts.door.clear()
        strangers = [
            asyncio.create_task(
                gateway.client.post(
                    CHAT, content=BODY, headers={"authorization": f"Bearer hr_{number}"}
                )
            )
            for number in range(PLACES + 1)
        ]
        refused, waiting = await asyncio.wait(strangers, return_when=asyncio.FIRST_COMPLETED)
        _is_refused(next(iter(refused)).result())
        assert (await gateway.client.post(CHAT, content=BODY)).status_code == 200
        gateway.accounts.door.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {401}


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/keys"])
async def test_a_large_account_body_is_refused_when_it_is_announced(
    gateway: Gateway, path: str
) -> None:
    announced = {"content-length": str(64 * 1024 + 1)}
    answer = await gateway.client.post(path, content=_never(), headers=announced)
    assert answer.status_code == 413
