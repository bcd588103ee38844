"""What is still to come of a body when its request is refused."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from headrace_common.clock import SystemClock
from headrace_gateway.http.edge import Bounds, Edge
from headrace_gateway.http.request_bodies import REST_BYTES, BodyBounds

BODIES = BodyBounds(
    bytes_each=4 * REST_BYTES,
    bytes_in_flight=4 * REST_BYTES,
    seconds=5,
    requests_in_flight=4,
    share=1,
)
BOUNDS = Bounds(bodies=BODIES, requests_in_flight=4, logins_in_flight=4, strict_transport=False)
PARTS = (b"ab", b"cd")


class Caller:
    """Sends `parts`, and nothing after them; notes in which order things happen."""

    def __init__(self, *parts: bytes, more: bool = False) -> None:
        self.happened: list[str] = []
        self._messages = [
            {"type": "http.request", "body": part, "more_body": more or part is not parts[-1]}
            for part in parts
        ]

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        self.happened.append("part")
        return self._messages.pop(0)

    async def send(self, message: Message) -> None:
        self.happened.append(message["type"].removeprefix("http.response."))


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def _answer(caller: Caller, announced: int) -> list[str]:
    scope = {
        "type": "http",
        "path": "/v1/chat/completions",
        "headers": [(b"content-length", str(announced).encode())],
    }
    async with asyncio.timeout(5):
        await Edge(_refuse, SystemClock(), BOUNDS)(scope, caller.receive, caller.send)
    return caller.happened


async def test_a_small_body_has_come_before_it_is_refused() -> None:
    happened = await _answer(Caller(*PARTS), len(b"".join(PARTS)))
    assert happened == ["part", "part", "start", "body"]


async def test_a_body_that_is_announced_to_be_large_is_not_waited_for() -> None:
    assert await _answer(Caller(*PARTS), REST_BYTES + 1) == ["start", "body"]


async def test_no_more_is_taken_of_a_body_that_was_not_announced() -> None:
    large = bytes(REST_BYTES + 1)
    assert await _answer(Caller(large, large, large), 0) == ["part", "start", "body"]


@pytest.mark.parametrize("parts", [(), PARTS])
async def test_a_body_that_does_not_come_delays_its_refusal_only(parts: tuple[bytes, ...]) -> None:
    happened = await _answer(Caller(*parts, more=True), 4096)
    assert happened == [*("part" for _ in parts), "start", "body"]
