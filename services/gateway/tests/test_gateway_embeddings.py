"""`/v1/embeddings`: shapes, limits, refusals, and what gets recorded."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Message

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.exchange import Activity, Outcome
from headrace_gateway.domain.principal import Limit, LimitKind
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

PATH = "/v1/embeddings"
EVEN, ODD = [0.6, 0.8], [0.8, 0.6]


class Pausing(EchoTarget):
    """Works until it is told to go on, and notices when it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.working = asyncio.Event()
        self.stopped = asyncio.Event()

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        self.working.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        raise AssertionError("nobody tells it to go on")


class Refusing(EchoTarget):
    """Refuses, by default as a server of chat models does."""

    def __init__(
        self, reason: Reason = Reason.UNSUPPORTED_PARAMETER, *, after_work: bool = False
    ) -> None:
        super().__init__()
        self._reason = reason
        self._after_work = after_work

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        message = "model: this one makes no embeddings"
        raise HeadraceError(self._reason, message, param="model", after_work=self._after_work)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _body(*texts: str, **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "input": list(texts), **fields}


async def test_an_answer_has_openais_shape_and_is_recorded(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, json=_body("one two", "three"))
    assert response.status_code == 200
    body = response.json()
    assert [entry["embedding"] for entry in body["data"]] == [
        pytest.approx(ODD),
        pytest.approx(ODD),
    ]
    assert [entry["index"] for entry in body["data"]] == [0, 1]
    assert {entry["object"] for entry in body["data"]} == {"embedding"}
    assert (body["object"], body["model"]) == ("list", "echo")
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.outcome) == (Activity.EMBEDDING, Outcome.SUCCEEDED)
    assert (exchange.model, exchange.model_version) == ("echo", "v1")
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (3, 0)
    assert exchange.principal == PRINCIPAL
    assert exchange.guard_policy_version
    assert exchange.request_id in gateway.events.begun


async def test_one_text_may_come_alone(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, json={"model": "echo", "input": "even"})
    assert [entry["embedding"] for entry in response.json()["data"]] == [pytest.approx(EVEN)]


async def test_base64_is_little_endian_floats(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, json=_body("even", encoding_format="base64"))
    [entry] = response.json()["data"]
    packed = base64.b64decode(entry["embedding"])
    assert struct.unpack("<2f", packed) == pytest.approx(EVEN)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": None}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"temperature": 1}, "temperature"),
    ],
)
async def test_what_breaks_a_rule_is_refused_by_name(
    gateway: Gateway, fields: dict[str, Any], param: str
) -> None:
    response = await gateway.client.post(PATH, json=_body("a") | fields)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param


async def test_token_ids_are_refused_with_the_reason(gateway: Gateway) -> None:
    response = await gateway.client.post(PATH, json={"model": "echo", "input": [1, 2]})
    assert response.json()["error"]["code"] == "unsupported_parameter"
    assert "send texts" in response.json()["error"]["message"]


async def test_a_model_without_embeddings_is_a_clear_refusal() -> None:
    async with running_gateway(Refusing()) as gateway:
        response = await gateway.client.post(PATH, json=_body("a"))
        [exchange] = gateway.events.exchanges
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "model")
    assert "makes no embeddings" in error["message"]
    assert (exchange.outcome, exchange.prompt_tokens) == (Outcome.REFUSED, 0)


@pytest.mark.parametrize(
    ("reason", "tokens"),
    [
        (Reason.INVALID_FIELD, 0),
        (Reason.CONTEXT_LENGTH_EXCEEDED, 0),
        (Reason.NOT_SERVING, 0),
        (Reason.QUEUE_FULL, 0),
        (Reason.REQUEST_TOO_LARGE, 0),
        (Reason.ENGINE_FAILED, 3 + 4),
        (Reason.DEADLINE_EXCEEDED, 3 + 4),
        (Reason.DEPENDENCY_UNAVAILABLE, 3 + 4),
    ],
)
async def test_work_that_was_done_is_settled_even_if_it_failed(reason: Reason, tokens: int) -> None:
    async with running_gateway(Refusing(reason)) as gateway:
        response = await gateway.client.post(PATH, json=_body("twelve chars"))
        [exchange] = gateway.events.exchanges
    assert response.status_code >= 400
    assert exchange.prompt_tokens == tokens


async def test_a_refusal_gives_back_what_was_reserved_unless_work_was_done() -> None:
    limit = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 100)
    for after_work, left in ((False, 100), (True, 100 - 7)):
        target = Refusing(Reason.QUEUE_FULL, after_work=after_work)
        async with running_gateway(target) as gateway:
            gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
            await gateway.client.post(PATH, json=_body("twelve chars"))
            again = await gateway.client.post(PATH, json=_body("x"))
        assert int(again.headers["x-ratelimit-remaining-tokens"]) == left - 5


async def test_an_unknown_model_is_404_and_a_stranger_401(gateway: Gateway) -> None:
    unknown = await gateway.client.post(PATH, json=_body("a", model="none"))
    assert unknown.status_code == 404
    headers = {"authorization": "Bearer hr_wrong"}
    stranger = await gateway.client.post(PATH, json=_body("a"), headers=headers)
    assert stranger.status_code == 401


async def test_secrets_do_not_reach_the_model(gateway: Gateway) -> None:
    secret = "AKIA" + "A" * 16
    response = await gateway.client.post(PATH, json=_body("fine", f"my key is {secret}"))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "content_policy_violation")
    assert error["param"] == "input"
    assert secret not in response.text


async def test_token_rates_count_what_was_read(gateway: Gateway) -> None:
    limit = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 100)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    response = await gateway.client.post(PATH, json=_body("one two three", "four"))
    assert response.headers["x-ratelimit-limit-tokens"] == "100"
    [admission] = [exchange.admission for exchange in gateway.events.exchanges]
    assert admission is not None
    again = await gateway.client.post(PATH, json=_body("x"))
    # four tokens were read of the first, and six are reserved for the second
    assert int(again.headers["x-ratelimit-remaining-tokens"]) == 100 - 4 - 5
    too_long = await gateway.client.post(PATH, json=_body("word " * 100))
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_who_hangs_up_stops_the_work_and_has_used_about_what_was_asked() -> None:
    target = Pausing()
    async with running_gateway(target) as gateway:
        gone = asyncio.Event()
        body = b'{"model": "echo", "input": "twelve chars"}'
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            raise AssertionError("nobody is there to answer")

        scope = {
            "type": "http",
            "method": "POST",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {KEY}".encode())],
            "client": ("192.0.2.1", 1),
        }
        async with asyncio.timeout(5):
            answering = asyncio.ensure_future(gateway.app(scope, receive, send))
            await target.working.wait()
            gone.set()
            await answering
        assert target.stopped.is_set()
        [exchange] = gateway.events.exchanges
        assert exchange.outcome is Outcome.CANCELLED
        assert exchange.prompt_tokens == 3 + 4
