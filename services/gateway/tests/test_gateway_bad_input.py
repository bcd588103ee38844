"""What the completion endpoints refuse: the field and the rule by name, never a 5xx."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

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
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"n": 6}, "n", "less than or equal to 5"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "'system'"),
        ({"messages": [{"role": "user"}]}, "messages[0]", "content is required"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "'text'",
        ),
        ({"nonsense": 1}, "nonsense", "Unrecognized request argument supplied: nonsense"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "'x' is not a token id"),
        ({"store": True}, "store", "Unsupported"),
        ({"stream_options": {"include_usage": True}}, None, "only allowed when stream is true"),
        ({"top_logprobs": 3}, None, "only allowed when logprobs is true"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "json_schema"),
        ({"max_tokens": 2**31}, "max_tokens", "less than or equal to"),
        ({"max_completion_tokens": 2**40}, "max_completion_tokens", "less than or equal to"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "is not a token id"),
        ({"messages": [{"role": "user", "content": "x"}] * 2049}, "messages", "at most 2048"),
        (
            {"messages": [{"role": "user", "content": "x", "tool_call_id": "c"}]},
            "messages[0]",
            "tool_call_id",
        ),
        (
            {"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]},
            "messages[0]",
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
