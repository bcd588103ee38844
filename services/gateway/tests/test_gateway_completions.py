"""The completion endpoints: shapes, streams, cache, limits, refusals, and what gets recorded."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from headrace_common.errors import Reason
from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.domain.completion import Delta
from headrace_gateway.domain.exchange import Outcome
from headrace_gateway.domain.principal import Limit, LimitKind
from headrace_gateway.testing.gateway import KEY, PRINCIPAL, Gateway, running_gateway

CHAT = "/v1/chat/completions"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _chat(text: str = "one two three", **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}


def _events(response: httpx.Response) -> list[Any]:
    blocks = response.text.strip().split("\n\n")
    assert all(block.startswith("data: ") for block in blocks)
    assert blocks[-1] == "data: [DONE]"
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]


async def test_a_chat_answer_has_openais_shape_and_is_recorded(gateway: Gateway) -> None:
    response = await gateway.client.post(CHAT, json=_chat())
    body = response.json()
    assert response.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["id"] == f"chatcmpl-{response.headers['x-request-id']}"
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "one two three",
        "refusal": None,
    }
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    [exchange] = gateway.events.exchanges
    assert exchange.request_id == response.headers["x-request-id"]
    assert exchange.outcome is Outcome.SUCCEEDED
    assert exchange.principal == PRINCIPAL
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (3, 3)
    assert exchange.finish_reasons == ("stop",)
    assert not exchange.streamed


async def test_a_stream_brings_role_text_reason_usage_and_done(gateway: Gateway) -> None:
    body = _chat(stream=True, stream_options={"include_usage": True})
    response = await gateway.client.post(CHAT, json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    first, *pieces, ending, usage = _events(response)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [piece["choices"][0]["delta"]["content"] for piece in pieces] == [
        "one",
        " two",
        " three",
    ]
    assert ending["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 6
    assert {event["id"] for event in (first, *pieces, ending, usage)} == {first["id"]}
    assert gateway.events.exchanges[0].streamed


async def test_text_completions_have_their_own_shape(gateway: Gateway) -> None:
    whole = await gateway.client.post("/v1/completions", json={"model": "echo", "prompt": "a b"})
    assert whole.json()["object"] == "text_completion"
    assert whole.json()["choices"][0]["text"] == "a b"
    streamed = await gateway.client.post(
        "/v1/completions", json={"model": "echo", "prompt": ["a b"], "stream": True}
    )
    assert [event["choices"][0]["text"] for event in _events(streamed)] == ["a", " b", ""]


async def test_several_choices_are_told_apart_by_index(gateway: Gateway) -> None:
    body = (await gateway.client.post(CHAT, json=_chat(n=3))).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 9


async def test_content_parts_are_joined(gateway: Gateway) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    request = {"model": "echo", "messages": [{"role": "user", "content": parts}]}
    body = (await gateway.client.post(CHAT, json=request)).json()
    assert body["choices"][0]["message"]["content"] == "one two"


async def test_only_deterministic_requests_are_cached() -> None:
    target = EchoTarget()
    async with running_gateway(target) as gateway:
        statuses = []
        for _ in range(2):
            response = await gateway.client.post(CHAT, json=_chat(temperature=0))
            statuses.append(response.headers["x-headrace-cache"])
        bypass = await gateway.client.post(CHAT, json=_chat())
        assert statuses == ["miss", "hit"]
        assert bypass.headers["x-headrace-cache"] == "bypass"
        assert target.calls == 2
        hit = gateway.events.exchanges[1]
        assert (hit.prompt_tokens, hit.completion_tokens) == (3, 3)


async def test_a_hit_streams_the_same_text(gateway: Gateway) -> None:
    for _ in range(2):
        response = await gateway.client.post(CHAT, json=_chat(temperature=0, stream=True))
    assert response.headers["x-headrace-cache"] == "hit"
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in _events(response))
    assert text == "one two three"


@pytest.mark.parametrize(
    "change", [{"max_tokens": 5}, {"stop": "x"}, {"seed": 1}, {"top_p": 0.5}, {"n": 2}]
)
async def test_a_parameter_that_changes_the_answer_misses(
    gateway: Gateway, change: dict[str, Any]
) -> None:
    await gateway.client.post(CHAT, json=_chat(temperature=0))
    other = await gateway.client.post(CHAT, json=_chat(temperature=0, **change))
    assert other.headers["x-headrace-cache"] == "miss"


async def test_another_organisation_never_meets_the_entry(gateway: Gateway) -> None:
    gateway.accounts.principals["hr_other"] = replace(PRINCIPAL, organization_id="org_2")
    await gateway.client.post(CHAT, json=_chat(temperature=0))
    other = await gateway.client.post(
        CHAT, json=_chat(temperature=0), headers={"authorization": "Bearer hr_other"}
    )
    assert other.headers["x-headrace-cache"] == "miss"


async def test_a_cache_that_is_down_is_skipped(gateway: Gateway) -> None:
    gateway.answers.unavailable = True
    response = await gateway.client.post(CHAT, json=_chat(temperature=0))
    assert response.status_code == 200
    assert response.headers["x-headrace-cache"] == "bypass"


async def test_rate_limits_are_told_and_enforced(gateway: Gateway) -> None:
    limit = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:test", 2)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    answers = [await gateway.client.post(CHAT, json=_chat()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == [
        "1",
        "0",
        "0",
    ]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    assert answers[2].headers["retry-after"] == "30"
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
    gateway.clock.advance(30)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200


async def test_a_limit_on_one_model_does_not_lift_the_default_of_the_others() -> None:
    async with running_gateway(default_requests_per_minute=2) as gateway:
        elsewhere = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:test", 100, model="other")
        gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(elsewhere,))
        answers = [await gateway.client.post(CHAT, json=_chat()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_a_request_that_can_never_fit_is_not_told_to_try_again(gateway: Gateway) -> None:
    limit = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 100)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    response = await gateway.client.post(CHAT, json=_chat(max_tokens=1000))
    assert response.status_code == 429
    assert "retry-after" not in response.headers
    assert "more than the 100 per minute" in response.json()["error"]["message"]


async def test_listing_models_costs_no_tokens(gateway: Gateway) -> None:
    limit = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 300)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    assert (await gateway.client.post(CHAT, json=_chat("x " * 600))).status_code == 429
    assert (await gateway.client.get("/v1/models")).status_code == 200


async def test_while_auth_hangs_a_known_principal_does_not_wait_for_it_again(
    gateway: Gateway,
) -> None:
    await gateway.client.post(CHAT, json=_chat())
    gateway.accounts.unavailable = True
    gateway.clock.advance(60)
    for _ in range(5):
        assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    assert gateway.accounts.resolutions == 2


async def test_tokens_that_were_reserved_and_not_used_are_given_back(gateway: Gateway) -> None:
    limit = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:org_1", 1000)
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, limits=(limit,))
    first = await gateway.client.post(CHAT, json=_chat(max_tokens=900))
    assert first.headers["x-ratelimit-remaining-tokens"] == "92"
    second = await gateway.client.post(CHAT, json=_chat(max_tokens=900))
    assert second.status_code == 200
    assert second.headers["x-ratelimit-remaining-tokens"] == "86"


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        ({}, "invalid_api_key"),
        ({"authorization": "Bearer hr_wrong"}, "invalid_api_key"),
        ({"authorization": "Bearer not.a.token"}, "invalid_api_key"),
        ({"authorization": "Basic dXNlcg=="}, "invalid_api_key"),
        ({"authorization": "Bearer " + "x" * 5000}, "invalid_api_key"),
    ],
)
async def test_bad_credentials_get_401_before_the_body_is_looked_at(
    gateway: Gateway, credential: dict[str, str], code: str
) -> None:
    gateway.client.headers.pop("authorization")
    response = await gateway.client.post(CHAT, content=b"{not json", headers=credential)
    error = response.json()["error"]
    assert response.status_code == 401
    assert error["code"] == code
    assert error["type"] == "invalid_request_error"
    assert error["request_id"] == response.headers["x-request-id"]
    assert gateway.events.exchanges[0].outcome is Outcome.REFUSED


async def test_the_x_api_key_header_works_too(gateway: Gateway) -> None:
    gateway.client.headers.pop("authorization")
    response = await gateway.client.post(CHAT, json=_chat(), headers={"x-api-key": KEY})
    assert response.status_code == 200


async def test_a_known_principal_outlives_auth_and_a_stranger_gets_503(gateway: Gateway) -> None:
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    gateway.accounts.unavailable = True
    gateway.clock.advance(60)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    stranger = await gateway.client.post(
        CHAT, json=_chat(), headers={"authorization": "Bearer hr_stranger"}
    )
    assert stranger.status_code == 503
    assert int(stranger.headers["retry-after"]) >= 1
    gateway.clock.advance(600)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 503


async def test_a_revoked_key_is_refused_at_once(gateway: Gateway) -> None:
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    gateway.limiter.revoked.add(("org_1", "test"))
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 401


async def test_an_expired_credential_is_refused_even_from_memory(gateway: Gateway) -> None:
    expiring = replace(PRINCIPAL, expires_at=gateway.clock.now().replace(second=5))
    gateway.accounts.principals[KEY] = expiring
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 200
    gateway.clock.advance(5)
    assert (await gateway.client.post(CHAT, json=_chat())).status_code == 401
    assert gateway.accounts.resolutions == 1


async def test_a_missing_scope_is_403(gateway: Gateway) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, scopes=frozenset())
    response = await gateway.client.post(CHAT, json=_chat())
    assert response.status_code == 403
    assert "llm:invoke" in response.json()["error"]["message"]


@pytest.mark.parametrize("allowed", [frozenset(), frozenset({"another"})])
async def test_unknown_and_forbidden_models_are_the_same_404(
    gateway: Gateway, allowed: frozenset[str]
) -> None:
    gateway.accounts.principals[KEY] = replace(PRINCIPAL, allowed_models=allowed)
    model = "echo" if allowed else "nothing"
    response = await gateway.client.post(CHAT, json=_chat() | {"model": model})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert f"`{model}` does not exist or you do not have access" in response.text


async def test_a_blocked_prompt_is_refused_and_recorded_by_rule(gateway: Gateway) -> None:
    response = await gateway.client.post(CHAT, json=_chat("AKIA" + "A" * 16))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "content_policy_violation"
    assert gateway.events.exchanges[0].guard_decisions == ["prompt:aws-access-key:block"]


async def test_a_full_spool_refuses_new_work(gateway: Gateway) -> None:
    gateway.events.full = True
    response = await gateway.client.post(CHAT, json=_chat())
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "audit_unavailable"
    assert gateway.events.exchanges == []


async def test_strangers_are_refused_before_their_body_is_awaited(gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        response = await gateway.client.post(
            CHAT, content=endless(), headers={"authorization": "Bearer hr_wrong"}
        )
    assert response.status_code == 401


async def test_two_credentials_are_none(gateway: Gateway) -> None:
    gateway.client.headers.pop("authorization")
    twice = [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")]
    other = {"authorization": "Basic dXNlcg==", "x-api-key": KEY}
    for headers in (twice, other):
        response = await gateway.client.post(CHAT, json=_chat(), headers=headers)
        assert response.status_code == 401


async def test_keys_of_one_user_share_the_default_rate() -> None:
    async with running_gateway(default_requests_per_minute=3) as gateway:
        generous = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:k2", 10**12)
        gateway.accounts.principals["hr_second"] = replace(
            PRINCIPAL, credential_id="k2", limits=(generous,)
        )
        statuses = []
        for credential in (KEY, "hr_second") * 2:
            headers = {"authorization": f"Bearer {credential}"}
            answer = await gateway.client.post(CHAT, json=_chat(), headers=headers)
            statuses.append(answer.status_code)
        assert statuses == [200, 200, 200, 429]


async def test_an_error_of_the_engine_before_the_first_token_is_a_clean_500() -> None:
    def fail() -> Delta:
        raise ZeroDivisionError("secret details")

    class Failing(EchoTarget):
        async def generate(self, request_id: str, tenant: str, request: Any) -> Any:
            yield fail()

    async with running_gateway(Failing()) as gateway:
        response = await gateway.client.post(CHAT, json=_chat())
        assert response.status_code == 500
        assert "secret" not in response.text
        assert response.json()["error"]["code"] == "internal"
        [exchange] = gateway.events.exchanges
        assert exchange.outcome is Outcome.FAILED
        assert exchange.error is not None
        assert exchange.error.reason is Reason.INTERNAL
