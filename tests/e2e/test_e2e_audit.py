"""Every request is a row in PostgreSQL, written by `audit`, whatever became of it."""

import asyncio
import json
from typing import Any

import httpx
import openai
from tests.stack.audit import row_where
from tests.stack.completions import CHAT

from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack


def _request_row(stack: Stack, request_id: str) -> Any:
    """The gateway's row of a request; auth may have rows of the same request beside it."""
    gateways = "request_id = $1 AND writer LIKE 'gateway/%'"
    return asyncio.run(row_where(stack, gateways, request_id))


def test_completions_hits_refusals_and_lists_are_rows(client: openai.OpenAI, stack: Stack) -> None:
    ask = client.chat.completions.with_raw_response.create
    question: Any = [{"role": "user", "content": "Name one audited river."}]
    miss, hit = (
        ask(model=MODEL_ID, messages=question, temperature=0, max_tokens=10) for _ in range(2)
    )
    listed = client.models.with_raw_response.list()
    rows = [_request_row(stack, answer.headers["x-request-id"]) for answer in (miss, hit, listed)]
    usage = miss.parse().usage
    assert usage is not None
    assert [row["outcome"] for row in rows] == ["succeeded"] * 3
    assert [row["cache_status"] for row in rows] == ["miss", "hit", None]
    for row in rows[:2]:
        assert (row["model"], row["prompt_tokens"]) == (MODEL_ID, usage.prompt_tokens)
        assert row["completion_tokens"] == usage.completion_tokens
        assert row["finish_reasons"] == [miss.parse().choices[0].finish_reason]
    assert rows[0]["time_to_first_token"] > rows[1]["time_to_first_token"]
    assert {row["source_address"] for row in rows} == {"127.0.0.1"}
    assert len({row["credential_id"] for row in rows}) == 1
    assert rows[2]["operation"] == "GET /v1/models"


def test_a_wrong_key_is_a_row_without_an_actor(http: httpx.Client, stack: Stack) -> None:
    response = http.get("/v1/models", headers={"authorization": "Bearer hr_wrong"})
    assert response.status_code == 401
    row = _request_row(stack, response.headers["x-request-id"])
    assert (row["outcome"], row["error_reason"]) == ("refused", "CREDENTIAL_INVALID")
    assert (row["http_status"], row["user_id"]) == (401, None)


def test_a_hang_up_is_a_row_with_what_was_used(http: httpx.Client, stack: Stack) -> None:
    body = {
        "model": MODEL_ID,
        "messages": [{"role": "user", "content": "Write a very long story about a river."}],
        "stream": True,
        "max_tokens": 1000,
    }
    headers = {"authorization": f"Bearer {stack.access.api_key}"}
    with http.stream("POST", CHAT, json=body, headers=headers) as response:
        lines = response.iter_lines()
        while '"delta":{"content"' not in next(lines):
            continue
    row = _request_row(stack, response.headers["x-request-id"])
    assert (row["outcome"], row["error_reason"]) == ("cancelled", "CANCELLED")
    assert row["prompt_tokens"] > 0
    assert 0 < row["completion_tokens"] < 1000


def test_logins_are_rows_and_hold_no_secret(http: httpx.Client, stack: Stack) -> None:
    good = {"email": stack.access.email, "password": stack.access.password}
    bad = {"email": stack.access.email, "password": "not the password at all"}
    answers = [http.post("/api/v1/auth/login", json=body) for body in (good, bad)]
    rows = [_request_row(stack, answer.headers["x-request-id"]) for answer in answers]
    assert [row["outcome"] for row in rows] == ["succeeded", "refused"]
    assert rows[0]["user_id"]
    began = _change(stack, answers[0].headers["x-request-id"])
    assert (began["operation"], began["user_id"]) == ("session.create", rows[0]["user_id"])
    assert stack.access.password not in str([*rows, began])
    assert answers[0].json()["refresh_token"] not in str([*rows, began])


def test_a_change_is_a_row_of_auths_beside_the_gateways_and_holds_no_secret(
    http: httpx.Client, stack: Stack
) -> None:
    credentials = {"email": stack.access.email, "password": stack.access.password}
    token = http.post("/api/v1/auth/login", json=credentials).json()["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    made = http.post("/api/v1/keys", json={"name": "to be revoked"}, headers=headers)
    key = made.json()
    gone = http.delete(f"/api/v1/keys/{key['id']}", headers=headers)
    request_ids = [answer.headers["x-request-id"] for answer in (made, gone)]
    created, revoked = (_change(stack, request_id) for request_id in request_ids)
    acts = [_request_row(stack, request_id) for request_id in request_ids]
    assert (created["operation"], revoked["operation"]) == ("api_key.create", "api_key.revoke")
    assert {row["writer"] for row in (created, revoked)} == {"auth/auth-0"}
    for name in ("resource", "user_id", "organization_id", "credential_id", "source_address"):
        assert len({row[name] for row in (created, revoked, *acts)}) == 1, name
    assert created["source_address"] == "127.0.0.1"
    assert created["change_before"] is None
    before, after = (json.loads(revoked[name]) for name in ("change_before", "change_after"))
    assert before == json.loads(created["change_after"])
    assert (before["name"], before["revoked_at"]) == ("to be revoked", None)
    assert after["revoked_at"] is not None
    secret = key["secret"].rpartition("_")[2]
    assert secret not in str([created, revoked, *acts])
    assert "sha256" not in str([created, revoked])


def _change(stack: Stack, request_id: str) -> Any:
    return asyncio.run(row_where(stack, "request_id = $1 AND kind = 'change'", request_id))


def test_the_first_owners_making_is_in_the_audit(stack: Stack) -> None:
    made = "kind = 'change' AND operation = 'user.create' AND change_after->>'email' = $1"
    row = asyncio.run(row_where(stack, made, stack.access.email))
    assert row["resource"] == f"user:{row['user_id']}"
    assert "password" not in row["change_after"]
