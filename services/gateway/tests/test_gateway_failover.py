"""What callers see when a model's server fails: another one answers, a fallback, or a clear 503."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.circuit import CircuitRules
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Event,
    Events,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.domain.routes import Endpoint, Target
from headrace_gateway.testing.gateway import Gateway, running_gateway
from headrace_gateway.testing.routing import fixed_router

CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "messages": [{"role": "user", "content": "one two"}]}
STREAM = BODY | {"stream": True}
EMBED = {"model": "chat", "input": "one two"}
MOVED = [
    Reason.DEPENDENCY_UNAVAILABLE,
    Reason.NOT_SERVING,
    Reason.QUEUE_FULL,
    Reason.ENGINE_FAILED,
    Reason.INTERNAL,
    Reason.MODEL_NOT_FOUND,
]


class Troubled(EchoTarget):
    """Fails as long as `error` is set, after `events` of an answer."""

    def __init__(self, name: str, model: str, version: str) -> None:
        super().__init__(model, version)
        self.name = name
        self.silent = False
        self.named = ModelVersion(model, version)
        self.error: HeadraceError | None = None
        self.events = 0
        self.asked_for: list[str] = []

    def fail(self, reason: Reason, *, events: int = 0, after_work: bool = False) -> None:
        self.error = HeadraceError(reason, "in trouble", after_work=after_work)
        self.events = events

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked_for.append(request.model)
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            begun: list[Event] = [
                Started(self.named, 0.0, 2),
                Delta(0, "one", 1),
                Delta(0, " and", 1),
            ]
            for event in begun[: self.events]:
                yield event
            raise self.error
        async for event in super().generate(request_id, tenant, request):
            yield event

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        self.asked_for.append(request.model)
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return await super().embed(request_id, tenant, request)


class Scene:
    """A model at two equal targets, of which `first` is asked first, and one to fall back to."""

    def __init__(self, gateway: Gateway, targets: dict[str, Troubled]) -> None:
        self.gateway = gateway
        self.client = gateway.client
        self.small = targets["small"]
        self.big = [targets["a"], targets["b"]]

    async def find_first(self) -> None:
        """Which of the two this test's caller is sent to is up to a hash."""
        await self.client.post(CHAT, json=BODY)
        self.big.sort(key=lambda target: not target.asked_for)
        self.gateway.events.exchanges.clear()
        for target in self.big:
            target.asked_for.clear()

    def metric(self, name: str, **labels: str) -> float:
        return self.gateway.registry.get_sample_value(f"headrace_gateway_{name}", labels) or 0.0

    @property
    def asked(self) -> list[int]:
        return [len(target.asked_for) for target in (*self.big, self.small)]


def table() -> dict[str, tuple[tuple[Target, ...], ...]]:
    pair = (Target(Endpoint("a"), "big"), Target(Endpoint("b"), "big"))
    return {"chat": (pair, (Target(Endpoint("small"), "little"),))}


@asynccontextmanager
async def scene(**settings: Any) -> AsyncIterator[Scene]:
    targets = {
        "a": Troubled("a", "big", "v1"),
        "b": Troubled("b", "big", "v1"),
        "small": Troubled("small", "little", "v9"),
    }

    def routing(registry: Any, clock: FakeClock) -> Any:
        rules = CircuitRules(failures=3, seconds=2.0)
        return fixed_router(
            targets,
            refresh_seconds=3600,
            table=table(),
            clock=clock,
            registry=registry,
            rules=rules,
        )

    async with running_gateway(routing=routing, **settings) as gateway:
        built = Scene(gateway, targets)
        await built.find_first()
        yield built


def events_of(text: str) -> list[Any]:
    blocks = [block.removeprefix("data: ") for block in text.strip().split("\n\n")]
    return [json.loads(block) for block in blocks if block != "[DONE]"]


@pytest.mark.parametrize("reason", MOVED)
@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, BODY), (CHAT, STREAM), ("/v1/embeddings", EMBED)]
)
async def test_a_server_that_cannot_answer_is_replaced_by_its_twin(
    reason: Reason, path: str, body: dict[str, Any]
) -> None:
    async with scene() as at:
        at.big[0].fail(reason)
        response = await at.client.post(path, json=body)
        assert response.status_code == 200
        assert at.asked == [1, 1, 0]
        assert response.headers["x-headrace-model"] == "big"
        [exchange] = at.gateway.events.exchanges
        assert (exchange.outcome, exchange.attempts) == (Outcome.SUCCEEDED, 2)
        assert at.metric("retries_total", reason=reason.value) == 1
        assert at.metric("fallbacks_total", model="chat") == 0


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_when_all_twins_fail_the_fallback_answers_and_says_so(body: dict[str, Any]) -> None:
    async with scene() as at:
        for target in at.big:
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        response = await at.client.post(CHAT, json=body)
        assert response.status_code == 200
        assert response.headers["x-headrace-model"] == "little"
        assert at.small.asked_for == ["little"]
        assert '"model":"little"' in response.text
        [exchange] = at.gateway.events.exchanges
        assert (exchange.model, exchange.model_version) == ("chat", "v9")
        assert (exchange.served_model, exchange.target) == ("little", "small")
        assert at.metric("fallbacks_total", model="chat") == 1


async def test_vectors_come_from_no_other_model() -> None:
    async with scene() as at:
        for target in at.big:
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        for _ in range(4):  # also once both are ejected
            assert (await at.client.post("/v1/embeddings", json=EMBED)).status_code == 503
        assert at.asked == [4, 4, 0]
        at.big[1].error = None
        assert (await at.client.post("/v1/embeddings", json=EMBED)).status_code == 200


@pytest.mark.parametrize("reason", [Reason.DEPENDENCY_UNAVAILABLE, Reason.QUEUE_FULL])
async def test_when_nobody_can_answer_callers_hear_what_the_first_said(reason: Reason) -> None:
    async with scene() as at:
        at.big[0].fail(reason)
        at.big[1].fail(Reason.NOT_SERVING)
        at.small.fail(Reason.ENGINE_FAILED)
        response = await at.client.post(CHAT, json=STREAM)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == reason.value.lower()
        assert response.headers["retry-after"]
        assert at.asked == [1, 1, 1]
        assert at.gateway.events.exchanges[0].outcome is Outcome.FAILED


async def test_what_the_caller_did_wrong_is_asked_of_nobody_else() -> None:
    async with scene() as at:
        at.big[0].fail(Reason.CONTEXT_LENGTH_EXCEEDED)
        response = await at.client.post(CHAT, json=BODY)
        assert response.status_code == 400
        assert at.asked == [1, 0, 0]
        at.big[0].fail(Reason.DEADLINE_EXCEEDED)
        assert (await at.client.post(CHAT, json=BODY)).status_code == 504
        assert at.asked == [2, 0, 0]


async def test_what_a_fallback_refuses_is_not_the_callers_fault() -> None:
    async with scene() as at:
        for target in at.big:
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        at.small.fail(Reason.CONTEXT_LENGTH_EXCEEDED)
        response = await at.client.post(CHAT, json=BODY)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "dependency_unavailable"


async def test_between_the_beginning_and_the_first_token_a_twin_goes_on() -> None:
    async with scene() as at:
        at.big[0].fail(Reason.DEPENDENCY_UNAVAILABLE, events=1)
        response = await at.client.post(CHAT, json=STREAM)
        told = events_of(response.text)
        roles = [event for event in told if event["choices"][0]["delta"].get("role")]
        texts = [event["choices"][0]["delta"].get("content", "") for event in told]
        assert len(roles) == 1
        assert "".join(texts) == "one two"
        assert response.text.endswith("[DONE]\n\n")
        assert at.asked == [1, 1, 0]


async def test_callers_who_know_which_model_answers_get_no_other_one() -> None:
    async with scene() as at:
        for target in at.big:
            target.fail(Reason.DEPENDENCY_UNAVAILABLE, events=1)
        response = await at.client.post(CHAT, json=STREAM)
        assert events_of(response.text)[-1]["error"]["code"] == "dependency_unavailable"
        assert at.asked == [1, 1, 0]


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_after_the_first_token_nobody_else_is_asked(body: dict[str, Any]) -> None:
    async with scene() as at:
        at.big[0].fail(Reason.DEPENDENCY_UNAVAILABLE, events=2)
        response = await at.client.post(CHAT, json=body)
        assert response.status_code == (200 if body is STREAM else 503)
        assert events_of(response.text)[-1]["error"]["code"] == "dependency_unavailable"
        assert at.asked == [1, 0, 0]
        assert at.gateway.events.exchanges[0].completion_tokens == 1


async def test_embeddings_that_were_half_made_are_not_made_again() -> None:
    async with scene() as at:
        at.big[0].fail(Reason.QUEUE_FULL, after_work=True)
        assert (await at.client.post("/v1/embeddings", json=EMBED)).status_code == 503
        assert at.asked == [1, 0, 0]


async def test_attempts_are_bounded() -> None:
    async with scene(maximum_attempts=2) as at:
        for target in (*at.big, at.small):
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        assert (await at.client.post(CHAT, json=BODY)).status_code == 503
        assert at.asked == [1, 1, 0]


async def test_further_attempts_end_with_the_first_ones_deadline() -> None:
    async with scene(generation_timeout_seconds=0.5) as at, asyncio.timeout(10):
        at.big[0].fail(Reason.QUEUE_FULL)
        at.big[1].silent = True
        at.small.fail(Reason.QUEUE_FULL)
        assert (await at.client.post(CHAT, json=BODY)).status_code == 503
        assert at.asked == [1, 1, 0], "there was no time left for the fallback"
        error = (await at.client.post("/v1/embeddings", json=EMBED)).json()["error"]
        assert error["code"] == "dependency_unavailable"


async def test_failures_in_a_row_eject_a_server_until_it_answers_again() -> None:
    async with scene() as at:
        at.big[0].fail(Reason.DEPENDENCY_UNAVAILABLE)
        for _ in range(5):
            assert (await at.client.post(CHAT, json=BODY)).status_code == 200
        assert at.asked == [3, 5, 0]
        assert at.metric("target_ejected", target=at.big[0].name) == 1
        at.gateway.clock.advance(2.0)
        at.big[0].error = None
        await at.client.post(CHAT, json=BODY)
        assert at.asked == [4, 5, 0]
        assert at.metric("target_ejected", target=at.big[0].name) == 0


async def test_a_busy_server_is_passed_by_but_not_ejected() -> None:
    async with scene() as at:
        at.big[0].fail(Reason.QUEUE_FULL)
        for _ in range(5):
            await at.client.post(CHAT, json=BODY)
        assert at.asked == [5, 5, 0]


async def test_when_all_are_ejected_all_are_asked() -> None:
    async with scene() as at:
        for target in (*at.big, at.small):
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        for _ in range(4):
            assert (await at.client.post(CHAT, json=BODY)).status_code == 503
        assert at.asked == [4, 4, 4]
        at.small.error = None
        assert (await at.client.post(CHAT, json=BODY)).status_code == 200


async def test_what_the_cache_holds_is_under_the_version_that_answered() -> None:
    async with scene() as at:
        for target in at.big:
            target.fail(Reason.DEPENDENCY_UNAVAILABLE)
        body = BODY | {"temperature": 0}
        await at.client.post(CHAT, json=body)
        [key] = at.gateway.answers.answers
        assert (key.model, key.model_version) == ("chat", "v9")
        for target in at.big:
            target.error = None
        fresh = await at.client.post(CHAT, json=body)
        assert fresh.headers["x-headrace-cache"] == "miss"
        assert fresh.headers["x-headrace-model"] == "big"
