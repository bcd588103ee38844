"""Streams as the wire sees them: hang-ups, heartbeats, slow readers, failures on the way."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    ModelVersion,
    Started,
    TokenLogprob,
)
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.testing.gateway import KEY, Gateway, running_gateway

BODY = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True}


class Stalling(EchoTarget):
    """Sends one word, then nothing until it is closed; says when it stalls and when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled = asyncio.Event()
        self.ended = asyncio.Event()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        try:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.5, prompt_tokens=7)
            yield Delta(0, "word", tokens=1)
            self.stalled.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


class Breaking(EchoTarget):
    """Sends one word, then fails."""

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
        yield Delta(0, "word", tokens=1)
        raise HeadraceError(Reason.ENGINE_FAILED, "The engine failed.")


class Client:
    """One ASGI request whose connection the test controls."""

    def __init__(self, gateway: Gateway, body: dict[str, Any]) -> None:
        self._app = gateway.app
        self._body = json.dumps(body).encode()
        self._requested = False
        self._gone = asyncio.Event()
        self.received: list[bytes] = []
        self.arrived = asyncio.Event()
        self.accept: Callable[[], Any] | None = None

    async def run(self) -> None:
        headers = [(b"authorization", f"Bearer {KEY}".encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "raw_path": b"/v1/chat/completions",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("192.0.2.7", 1234),
            "server": ("gateway", 80),
            "scheme": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
        }
        await self._app(scope, self._receive, self._send)

    def hang_up(self) -> None:
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._requested:
            self._requested = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self.accept:
            await self.accept()
        self.received.append(message.get("body", b""))
        self.arrived.set()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_hang_up_stops_the_engine_and_is_recorded_with_what_was_used(stream: bool) -> None:
    target = Stalling()
    async with running_gateway(target) as gateway, asyncio.timeout(10):
        client = Client(gateway, BODY | {"stream": stream})
        running = asyncio.create_task(client.run())
        await target.stalled.wait()
        begun = set(gateway.events.begun)
        client.hang_up()
        await target.ended.wait()
        await running
        [exchange] = gateway.events.exchanges
        assert begun == {exchange.request_id}
        assert exchange.outcome is Outcome.CANCELLED
        assert (exchange.prompt_tokens, exchange.completion_tokens) == (7, 1)
        assert exchange.source_address == "192.0.2.7"
        assert exchange.streamed is stream


async def test_silence_on_a_stream_is_filled_with_comments() -> None:
    target = Stalling()
    async with running_gateway(target, heartbeat_seconds=0.01) as gateway, asyncio.timeout(10):
        client = Client(gateway, BODY)
        running = asyncio.create_task(client.run())
        while client.received.count(b": keep-alive\n\n") < 3:
            client.arrived.clear()
            await client.arrived.wait()
        client.hang_up()
        await running
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    target = Stalling()
    async with running_gateway(target, write_timeout_seconds=0.05) as gateway, asyncio.timeout(10):
        client = Client(gateway, BODY)
        client.accept = asyncio.Event().wait
        await client.run()
        assert target.stalled.is_set() is False
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED


async def test_a_client_that_stops_reading_between_tokens_is_cut_off_too() -> None:
    target = Stalling()
    async with (
        running_gateway(target, write_timeout_seconds=0.05, heartbeat_seconds=0.01) as gateway,
        asyncio.timeout(10),
    ):
        client = Client(gateway, BODY)
        running = asyncio.create_task(client.run())
        await target.stalled.wait()
        client.accept = asyncio.Event().wait
        await target.ended.wait()
        await running
        assert gateway.events.exchanges[0].outcome is Outcome.CANCELLED


class SlowReader(Client):
    """Takes nothing after the first word until it is told to, and knows what comes too late."""

    def __init__(self, gateway: Gateway, body: dict[str, Any]) -> None:
        super().__init__(gateway, body)
        self.reads = asyncio.Event()
        self.reads.set()
        self.ended = False
        self.late: list[bytes] = []

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if self.ended:
            self.late.append(message["body"])
            raise RuntimeError("Unexpected ASGI message sent, after response already completed.")
        self.ended = not message.get("more_body", True)
        await super()._send(message)
        if b"word" in message.get("body", b""):
            self.reads.clear()


async def test_no_comment_comes_after_the_end_that_a_slow_reader_took_late() -> None:
    async with running_gateway(Breaking(), heartbeat_seconds=0.01) as gateway, asyncio.timeout(10):
        client = SlowReader(gateway, BODY)
        running = asyncio.create_task(client.run())
        await asyncio.wait([running], timeout=0.1)
        assert not running.done()
        client.reads.set()
        await running
    assert client.ended
    assert client.late == []


async def test_an_unexpected_failure_on_the_way_is_told_too() -> None:
    class Exploding(Breaking):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            raise ZeroDivisionError("secret details")

    async with running_gateway(Exploding()) as gateway:
        response = await gateway.client.post("/v1/chat/completions", json=BODY)
        last = response.text.strip().split("\n\n")[-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "internal"
        assert "secret" not in response.text


async def test_log_probabilities_of_held_back_text_are_held_back_too() -> None:
    secret = "AKIA" + "Q" * 16

    class Telling(EchoTarget):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            for piece in ("see ", secret[:9], secret[9:]):
                logprob = TokenLogprob(piece, -0.5, piece.encode())
                yield Delta(0, piece, tokens=1, logprobs=(logprob,))

    async with running_gateway(Telling()) as gateway:
        response = await gateway.client.post("/v1/chat/completions", json=BODY)
        assert "see " in response.text
        assert "AKIA" not in response.text


async def test_a_failure_on_the_way_ends_the_stream_with_an_error_event() -> None:
    async with running_gateway(Breaking()) as gateway:
        response = await gateway.client.post("/v1/chat/completions", json=BODY)
        blocks = response.text.strip().split("\n\n")
        error = json.loads(blocks[-1].removeprefix("data: "))["error"]
        assert error["code"] == "engine_failed"
        assert error["request_id"] == response.headers["x-request-id"]
        assert "[DONE]" not in response.text
        assert gateway.events.exchanges[0].outcome is Outcome.FAILED


async def test_a_failure_on_the_way_of_a_whole_answer_is_an_error_response() -> None:
    async with running_gateway(Breaking()) as gateway:
        response = await gateway.client.post("/v1/chat/completions", json=BODY | {"stream": False})
        assert response.status_code == 500
        assert response.json()["error"]["code"] == "engine_failed"


async def test_a_secret_in_the_answer_ends_it_with_content_filter() -> None:
    secret = "AKIA" + "Q" * 16

    class Leaking(EchoTarget):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(ModelVersion("echo", "v1"), queue_seconds=0.0, prompt_tokens=1)
            for piece in ("The key is ", secret[:9], secret[9:], " and more"):
                yield Delta(0, piece, tokens=1)

    async with running_gateway(Leaking()) as gateway:
        body = BODY | {"stream": False, "temperature": 0}
        answer = (await gateway.client.post("/v1/chat/completions", json=body)).json()
        assert answer["choices"][0]["message"]["content"] == "The key is "
        assert answer["choices"][0]["finish_reason"] == "content_filter"
        assert gateway.events.exchanges[0].guard_decisions == ["output:aws-access-key:block"]
        assert gateway.answers.answers == {}
