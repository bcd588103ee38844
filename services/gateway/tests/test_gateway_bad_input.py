"""What the completion endpoints refuse: the field and the rule by name, never a 5xx."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from headrace_gateway.http.openai_routes import BODIES
from headrace_gateway.testing.gateway import Gateway, running_gateway

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CHAT = "/v1/chat/completions"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _chat(**fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": "one"}], **fields}


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"temperature": 2.5}, "temperature", "less than or equal to 2"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"top_p": -0.1}, "top_p", "greater than or equal to 0"),
        ({"n": 6}, "n", "less than or equal to 5"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "'system'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "content is required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "this model reads text only, no image_url",
        ),
        ({"nonsense": 1}, "nonsense", "Unrecognized request argument supplied: nonsense"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "'x' is not a token id"),
        ({"store": True}, "store", "Unsupported"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "when stream is true"),
        ({"top_logprobs": 3}, "top_logprobs", "only allowed when logprobs is true"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "json_schema"),
        ({"max_tokens": 2**31}, "max_tokens", "less than or equal to"),
        ({"max_completion_tokens": 2**40}, "max_completion_tokens", "less than or equal to"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "is not a token id"),
        ({"messages": [{"role": "user", "content": "x"}] * 2049}, "messages", "at most 2048"),
        (
            {"messages": [{"role": "user", "content": "x", "tool_call_id": "c"}]},
            "messages[0].tool_call_id",
            "for role tool and only for it",
        ),
        (
            {"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]},
            "messages[0].tool_calls",
            "role assistant only",
        ),
    ],
)
async def test_a_bad_field_is_named_with_its_rule(
    gateway: Gateway, change: dict[str, Any], param: str | None, says: str
) -> None:
    response = await gateway.client.post(CHAT, json=_chat() | change)
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["param"] == param
    assert says in error["message"]
    assert gateway.events.exchanges[0].error is not None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"model": "\\ud800"}'])
async def test_a_body_that_is_no_json_object_is_400(gateway: Gateway, body: bytes) -> None:
    response = await gateway.client.post(CHAT, content=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "NaN"),
        ("top_p", "Infinity"),
        ("frequency_penalty", "NaN"),
        ("presence_penalty", "-Infinity"),
        ("logit_bias", '{"1": NaN}'),
        ("temperature", "1e400"),
        ("seed", "9" * 100),
        ("seed", "9" * 5000),
        ("n", "1.5"),
        ("max_tokens", '"1"'),
        ("max_tokens", "true"),
        ("stream", "1"),
        ("user", "1"),
        ("user", '"\\ud800"'),
        ("messages", "{}"),
        ("messages", '[{"role": "user", "content": "\\udc00\\ud800"}]'),
        ("messages", "null"),
        ("model", '""'),
        ("model", "null"),
        ("response_format", '{"type": "json_schema", "json_schema": {"name": "x", "schema": 1}}'),
    ],
)
async def test_no_value_of_a_field_is_a_fault_of_ours(
    gateway: Gateway, field: str, value: str
) -> None:
    body = json.dumps(_chat() | {field: "HERE"}).replace('"HERE"', value)
    response = await gateway.client.post(CHAT, content=body.encode())
    error = response.json()["error"]
    assert response.status_code == 400, response.text
    assert error["type"] == "invalid_request_error"
    assert error["param"] is None or error["param"].startswith(field)


async def test_nul_bytes_are_characters_like_others(gateway: Gateway) -> None:
    answer = await gateway.client.post(CHAT, json=_chat(user="a\0b", messages=[_turn("a\0b")]))
    assert answer.json()["choices"][0]["message"]["content"] == "a\0b"
    answer = await gateway.client.post(CHAT, json=_chat(model="echo\0"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert (await gateway.client.post(CHAT, content=b"\0" * 100)).status_code == 400


@pytest.mark.parametrize(("depth", "status"), [(190, 200), (220, 400), (500_000, 400)])
async def test_nesting_has_a_bound(gateway: Gateway, depth: int, status: int) -> None:
    schema = '{"a": ' + "[" * depth + "]" * depth + "}"
    tool = '{"type": "function", "function": {"name": "f", "parameters": HERE}}'
    body = json.dumps(_chat(tools=["HERE"])).replace('"HERE"', tool.replace("HERE", schema))
    response = await gateway.client.post(CHAT, content=body.encode())
    assert response.status_code == status
    if status == 400:
        assert response.json()["error"]["message"] == "The body is nested more than 200 deep."


async def test_ten_thousand_messages_are_too_many(gateway: Gateway) -> None:
    response = await gateway.client.post(CHAT, json=_chat(messages=[_turn("x")] * 10_000))
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "messages")
    assert "at most 2048" in error["message"]


def _turn(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


MANY = 20_000
FLOODS = {
    "messages": f"[{','.join(['1'] * MANY)}]",
    "tools": f"[{','.join(['1'] * MANY)}]",
    "stop": f"[{','.join(['1'] * MANY)}]",
    "logit_bias": json.dumps({str(number): "x" for number in range(MANY)}),
    "metadata": json.dumps(dict.fromkeys(map(str, range(MANY)), 1)),
    "input": f"[{','.join(['[true]', '{}'] * MANY)}]",
    "prompt": f"[{','.join(['[true]', '{}'] * MANY)}]",
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("field", FLOODS)
def test_a_list_has_one_fault_however_many_are_in_it(body: Any, field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        body.model_validate_json(f'{{"model": "echo", "{field}": {FLOODS[field]}}}')
    # A union tells one for each of its branches, and other fields may be missing.
    assert raised.value.error_count() <= 6


async def test_unknown_fields_without_end_are_counted_and_not_named(gateway: Gateway) -> None:
    unknown = {f"x{number}": 0 for number in range(MANY)}
    response = await gateway.client.post(CHAT, json=_chat(**unknown))
    assert response.status_code == 400
    expected = f"The request has {MANY} fields that are not known."
    assert response.json()["error"]["message"] == expected
