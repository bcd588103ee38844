"""`/api/v1/llm`: prompt in, text out; its bounds, and the versions that its answers name."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import CompletionRequest, Events, Sampling
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.http.deprecations import Deprecation, announce
from headrace_gateway.http.document import mark_deprecated
from headrace_gateway.testing.gateway import KEY, Gateway, running_gateway

GENERATE, STREAM = "/api/v1/llm/generate", "/api/v1/llm/stream"
PROMPT = {"model": "echo", "prompt": "one two three"}


class Remembering(EchoTarget):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[CompletionRequest] = []

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        self.asked.append(request)
        async for event in super().generate(request_id, tenant, request):
            yield event


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _events(response: httpx.Response) -> list[Any]:
    blocks = response.text.strip().split("\n\n")
    assert blocks.pop() == "data: [DONE]"
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


async def test_the_answer_is_a_text_completion_and_is_recorded(gateway: Gateway) -> None:
    response = await gateway.client.post(GENERATE, json={**PROMPT, "n": 2})
    body = response.json()
    assert (response.status_code, body["object"]) == (200, "text_completion")
    assert [choice["text"] for choice in body["choices"]] == ["one two three"] * 2
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}
    assert response.headers["x-headrace-api-version"] == "v1"
    [exchange] = gateway.events.exchanges
    assert exchange.request_id == response.headers["x-request-id"]
    assert (exchange.activity, exchange.outcome) == (Activity.COMPLETION, Outcome.SUCCEEDED)
    assert (exchange.operation, exchange.streamed) == (f"POST {GENERATE}", False)


async def test_a_stream_brings_text_reason_usage_and_done(gateway: Gateway) -> None:
    response = await gateway.client.post(STREAM, json=PROMPT)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-headrace-api-version"] == "v1"
    *pieces, ending, usage = _events(response)
    assert [piece["choices"][0]["text"] for piece in pieces] == ["one", " two", " three"]
    assert ending["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["total_tokens"] == 6
    assert {event["object"] for event in pieces} == {"text_completion"}
    assert gateway.events.exchanges[0].streamed


async def test_what_is_left_out_has_stated_defaults_and_top_p_0_is_greedy() -> None:
    target = Remembering()
    async with running_gateway(target) as gateway:
        for more in ({}, {"top_p": 0, "temperature": 1.5}, {"temperature": 0.5, "stop": "x"}):
            response = await gateway.client.post(GENERATE, json={**PROMPT, **more})
            assert response.status_code == 200, response.text
    assert [request.sampling for request in target.asked] == [
        Sampling(max_tokens=256, temperature=1.0, top_p=1.0),
        Sampling(max_tokens=256, temperature=0.0, top_p=None),
        Sampling(max_tokens=256, temperature=0.5, top_p=1.0, stop=("x",)),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 10_000},
        {"prompt": "\N{GRINNING FACE}" * 10_000},  # more than an account's body may have
        {"max_tokens": 1},
        {"max_tokens": 4096},
        {"temperature": 0},
        {"temperature": 2, "top_p": 0.1},
        {"temperature": 0.1, "top_p": 1},
        {"n": 5},
        {"stop": ["a", "b", "c", "d"]},
    ],
)
async def test_the_bounds_themselves_are_taken(gateway: Gateway, fields: dict[str, Any]) -> None:
    response = await gateway.client.post(GENERATE, json={**PROMPT, **fields})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("path", [GENERATE, STREAM])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 10_001}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"model": ""}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 4097}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"temperature": 0.9, "top_p": 0.9}, "top_p"),
        ({"temperature": 0, "top_p": 0}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 6}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": [""]}, "stop[0]"),
        ({"stream": True}, "stream"),
    ],
)
async def test_beyond_the_bounds_the_field_is_named(
    gateway: Gateway, path: str, fields: dict[str, Any], param: str
) -> None:
    response = await gateway.client.post(path, json={**PROMPT, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert param.partition("[")[0] in error["message"]
    assert response.headers["x-headrace-api-version"] == "v1"


async def test_both_below_1_is_refused_here_only(gateway: Gateway) -> None:
    both = {**PROMPT, "temperature": 0.5, "top_p": 0.5}
    assert (await gateway.client.post(GENERATE, json=both)).status_code == 400
    assert (await gateway.client.post("/v1/completions", json=both)).status_code == 200


async def test_the_longest_prompt_is_a_setting() -> None:
    async with running_gateway(maximum_native_prompt_characters=20) as gateway:
        for length, status in ((20, 200), (21, 400)):
            response = await gateway.client.post(GENERATE, json={**PROMPT, "prompt": "x" * length})
            assert response.status_code == status


async def test_it_is_in_the_document(gateway: Gateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    for path in (GENERATE, STREAM):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith("/GenerateBody")
    properties = document["components"]["schemas"]["GenerateBody"]["properties"]
    assert set(properties) == {
        *("model", "prompt", "max_tokens", "temperature", "top_p", "n", "stop")
    }
    assert (properties["max_tokens"]["minimum"], properties["max_tokens"]["maximum"]) == (1, 4096)


PLANNED = {
    f"POST {GENERATE}": Deprecation(
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 7, 1, 12, tzinfo=UTC),
        "https://example.org/use-v2",
    ),
    "GET /api/v1/keys/{api_key_id}": Deprecation(datetime(2027, 1, 1, tzinfo=UTC)),
}


async def test_routes_that_are_to_go_say_so_in_every_answer_and_no_others(
    gateway: Gateway,
) -> None:
    transport = httpx.ASGITransport(announce(gateway.app, PLANNED))
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://gateway", headers=headers
    ) as client:
        good = await client.post(GENERATE, json=PROMPT)
        bad = await client.post(GENERATE, json={})
        other = await client.post(STREAM, json=PROMPT)
        key = await client.get("/api/v1/keys/k1")
    for answer in (good, bad):
        assert answer.headers["deprecation"] == "@1798761600"
        assert answer.headers["sunset"] == "Thu, 01 Jul 2027 12:00:00 GMT"
        assert answer.headers["link"].startswith('<https://example.org/use-v2>; rel="deprecation"')
    assert (good.status_code, bad.status_code) == (200, 400)
    assert key.headers["deprecation"] == "@1798761600"
    assert "sunset" not in key.headers
    assert {"deprecation", "sunset", "link"}.isdisjoint(other.headers)


async def test_the_document_marks_them(gateway: Gateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    mark_deprecated(document, PLANNED)
    marked = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("deprecated")
    }
    assert marked == set(PLANNED)
    with pytest.raises(KeyError):
        mark_deprecated(document, {"GET /api/v1/nothing": PLANNED[f"POST {GENERATE}"]})
