"""`x-headrace-trace: 1`: what each stage decided and how long it took, for whoever may see it."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Events,
    Finished,
    ModelVersion,
    Started,
)
from headrace_gateway.domain.principal import TRACE_REQUESTS, Limit, LimitKind
from headrace_gateway.domain.trace import MAXIMUM_DECISIONS, TRACE_HEADER, trace_of
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

CHAT = "/v1/chat/completions"
ASKING = {TRACE_HEADER: "1"}
MODEL = ModelVersion("echo", "v1")
TRACER = replace(PRINCIPAL, scopes=PRINCIPAL.scopes | {TRACE_REQUESTS})
SECRET = "AKIA" + "A" * 16


class Slow(EchoTarget):
    """A model whose words take a tenth of a second of a clock that stands still otherwise."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        yield Started(MODEL, queue_seconds=0.25, prompt_tokens=7)
        for word in ("one", " two"):
            self._clock.advance(0.1)
            yield Delta(0, word, tokens=1)
        yield Finished(MODEL, ("stop",), prompt_tokens=7, completion_tokens=2)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    clock = FakeClock()
    async with running_gateway(Slow(clock), clock=clock) as running:
        running.accounts.principals[KEY] = TRACER
        yield running


def _chat(text: str = "secret words", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


async def _traced(gateway: Gateway, **fields: Any) -> tuple[httpx.Response, dict[str, Any]]:
    response = await gateway.client.post(CHAT, json=_chat(**fields), headers=ASKING)
    told = json.loads(response.headers[TRACE_HEADER])
    return response, told


def _stages(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["stage"]: stage for stage in told["stages"]}


async def test_a_whole_answer_brings_every_stage_with_its_time_and_decision(
    gateway: Gateway,
) -> None:
    response, told = await _traced(gateway, temperature=0)
    assert told["request_id"] == response.headers["x-request-id"]
    assert told["outcome"] == "succeeded"
    stages = _stages(told)
    assert list(stages) == [
        *("identify", "read", "admit", "guard_prompt", "route", "look_up"),
        *("infer", "guard_output", "settle", "record"),
    ]
    assert stages["identify"]["from"] == "auth"
    [limit] = stages["admit"]["limits"]
    assert (limit["kind"], limit["limit"], limit["remaining"]) == ("requests", 600, 599)
    assert stages["guard_prompt"]["decisions"] == []
    assert (stages["route"]["model"], stages["route"]["version"]) == ("echo", "v1")
    assert stages["look_up"]["cache"] == "miss"
    assert stages["infer"] == {
        "stage": "infer",
        "us": pytest.approx(200_000),
        "served_model": "echo",
        "cohort": "",
        "attempts": 1,
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "queue_us": 250_000,
        "first_token_us": pytest.approx(100_000),
    }
    assert stages["guard_output"]["us"] == 0
    _, again = await _traced(gateway, temperature=0)
    assert _stages(again)["identify"]["from"] == "memory"
    assert _stages(again)["look_up"]["cache"] == "hit"


async def test_a_stream_brings_it_in_a_last_chunk_that_clients_pass_over(gateway: Gateway) -> None:
    response = await gateway.client.post(CHAT, json=_chat(stream=True), headers=ASKING)
    assert TRACE_HEADER not in response.headers
    *_, last, done = response.text.strip().split("\n\n")
    assert done == "data: [DONE]"
    chunk = json.loads(last.removeprefix("data: "))
    assert (chunk["object"], chunk["choices"]) == ("chat.completion.chunk", [])
    told = chunk["headrace"]["trace"]
    assert list(_stages(told))[-4:] == ["infer", "guard_output", "settle", "record"]


async def test_nobody_gets_it_unasked(gateway: Gateway) -> None:
    for headers in ({}, {TRACE_HEADER: "0"}, {TRACE_HEADER: "yes"}):
        whole = await gateway.client.post(CHAT, json=_chat(), headers=headers)
        stream = await gateway.client.post(CHAT, json=_chat(stream=True), headers=headers)
        assert TRACE_HEADER not in whole.headers
        assert "trace" not in stream.text
    assert {exchange.times for exchange in gateway.events.exchanges} == {None}


@pytest.mark.parametrize("stream", [True, False])
async def test_who_may_not_see_it_is_refused_and_sees_nothing(
    gateway: Gateway, stream: bool
) -> None:
    gateway.accounts.principals[KEY] = PRINCIPAL
    response = await gateway.client.post(CHAT, json=_chat(stream=stream), headers=ASKING)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")
    assert TRACE_REQUESTS in response.json()["error"]["message"]
    stranger = {**ASKING, "authorization": "Bearer hr_wrong"}
    unknown = await gateway.client.post(CHAT, json=_chat(stream=stream), headers=stranger)
    assert unknown.status_code == 401
    for answer in (response, unknown):
        assert TRACE_HEADER not in answer.headers


async def test_refusals_bring_it_too(gateway: Gateway) -> None:
    response, told = await _traced(gateway, text=SECRET)
    assert response.status_code == 400
    assert (told["outcome"], told["reason"]) == ("refused", "CONTENT_BLOCKED")
    assert _stages(told)["guard_prompt"]["decisions"] == ["prompt:aws-access-key:block"]
    limits = (
        Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:test", 1),
        Limit(LimitKind.REQUESTS_PER_MINUTE, "organization:org_1", 100),
    )
    gateway.accounts.principals[KEY] = replace(TRACER, limits=limits)
    gateway.clock.advance(60)
    await _traced(gateway)
    response, told = await _traced(gateway)
    assert response.status_code == 429
    admitted = _stages(told)["admit"]
    assert admitted["refused_by"] == "requests"
    assert [limit["subject"] for limit in admitted["limits"]] == ["api_key:test"]
    assert list(_stages(told)) == ["identify", "read", "admit", "settle", "record"]


async def test_it_tells_neither_texts_nor_credentials(gateway: Gateway) -> None:
    for fields in ({}, {"text": SECRET}, {"stream": True}):
        response = await gateway.client.post(CHAT, json=_chat(**fields), headers=ASKING)
        header, last = response.headers.get(TRACE_HEADER, ""), response.text.split("\n\n")[-3:-2]
        told = header + "".join(last)
        assert "identify" in told
        for private in ("secret words", SECRET, KEY, "127.0.0.1", "unused"):
            assert private not in told


async def test_a_broken_stream_tells_before_its_error() -> None:
    class Breaking(EchoTarget):
        async def generate(
            self, request_id: str, tenant: str, request: CompletionRequest
        ) -> Events:
            yield Started(MODEL, queue_seconds=0.0, prompt_tokens=1)
            raise HeadraceError(Reason.ENGINE_FAILED, "The engine failed.")

    async with running_gateway(Breaking()) as gateway:
        gateway.accounts.principals[KEY] = TRACER
        response = await gateway.client.post(CHAT, json=_chat(stream=True), headers=ASKING)
    *_, trace, error = response.text.strip().split("\n\n")
    assert json.loads(trace.removeprefix("data: "))["headrace"]["trace"]["outcome"] == "failed"
    assert json.loads(error.removeprefix("data: "))["error"]["code"] == "engine_failed"


async def test_embeddings_and_models_have_one_as_well(gateway: Gateway) -> None:
    body = {"model": "echo", "input": "one two"}
    response = await gateway.client.post("/v1/embeddings", json=body, headers=ASKING)
    told = json.loads(response.headers[TRACE_HEADER])
    assert list(_stages(told))[-3:] == ["infer", "settle", "record"]
    for path in ("/v1/models", "/v1/models/echo"):
        models = await gateway.client.get(path, headers=ASKING)
        stages = list(_stages(json.loads(models.headers[TRACE_HEADER])))
        assert stages == ["identify", "admit", "settle", "record"]
    gateway.accounts.principals[KEY] = PRINCIPAL
    gateway.clock.advance(60)
    assert (await gateway.client.get("/v1/models", headers=ASKING)).status_code == 403


async def test_a_refused_list_of_models_has_the_headers_of_any_refusal(gateway: Gateway) -> None:
    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, "organization:org_1", 1)
    gateway.accounts.principals[KEY] = replace(TRACER, limits=(limit,))
    assert (await gateway.client.get("/v1/models")).status_code == 200
    refused = await gateway.client.get("/v1/models", headers=ASKING)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert json.loads(refused.headers[TRACE_HEADER])["outcome"] == "refused"
    assert "request_id" in refused.json()["error"]


async def test_it_fits_into_a_header_however_much_was_decided(gateway: Gateway) -> None:
    await _traced(gateway)
    [exchange] = gateway.events.exchanges
    exchange.guard_decisions = [f"prompt:rule-{number}:flag" for number in range(1000)]
    told = trace_of(exchange)
    assert told is not None
    guarded = _stages(told)["guard_prompt"]
    assert len(guarded["decisions"]) == MAXIMUM_DECISIONS
    assert guarded["left_out"] == 1000 - MAXIMUM_DECISIONS
    assert len(json.dumps(told)) < 4096
