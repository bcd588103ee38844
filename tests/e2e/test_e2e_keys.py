"""The administrator's day: log in, make keys, limit them, list them, revoke them."""

import httpx
import pytest

from headrace_local.access import Access
from headrace_local.components import MODEL_ID


@pytest.fixture
def administrator(http: httpx.Client, access: Access) -> dict[str, str]:
    """Headers of the logged-in administrator."""
    credentials = {"email": access.email, "password": access.password}
    answer = http.post("/api/v1/auth/login", json=credentials)
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "Bearer"
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_key_works_until_it_is_revoked(http: httpx.Client, administrator: dict[str, str]) -> None:
    made = http.post("/api/v1/keys", json={"name": "e2e"}, headers=administrator)
    assert made.status_code == 201, made.text
    key = {"authorization": f"Bearer {made.json()['secret']}"}
    assert http.get("/v1/models", headers=key).status_code == 200
    listed = http.get("/api/v1/keys", headers=administrator).json()["data"]
    assert made.json()["id"] in {entry["id"] for entry in listed}
    assert made.json()["secret"] not in str(listed)
    revoked = http.delete(f"/api/v1/keys/{made.json()['id']}", headers=administrator)
    assert revoked.json()["revoked_at"]
    assert http.get("/v1/models", headers=key).status_code == 401


def test_a_keys_own_request_rate_is_enforced(
    http: httpx.Client, administrator: dict[str, str]
) -> None:
    wanted = {"name": "slow", "requests_per_minute": 2}
    secret = http.post("/api/v1/keys", json=wanted, headers=administrator).json()["secret"]
    answers = [
        http.get("/v1/models", headers={"authorization": f"Bearer {secret}"}) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) >= 1


def test_a_key_is_restricted_to_its_models(
    http: httpx.Client, administrator: dict[str, str]
) -> None:
    wanted = {"name": "elsewhere", "allowed_models": ["another-model"]}
    secret = http.post("/api/v1/keys", json=wanted, headers=administrator).json()["secret"]
    headers = {"authorization": f"Bearer {secret}"}
    assert http.get("/v1/models", headers=headers).json()["data"] == []
    body = {"model": MODEL_ID, "messages": [{"role": "user", "content": "Hi"}]}
    assert http.post("/v1/chat/completions", json=body, headers=headers).status_code == 404


def test_an_api_key_makes_no_keys(http: httpx.Client, access: Access) -> None:
    headers = {"authorization": f"Bearer {access.api_key}"}
    answer = http.post("/api/v1/keys", json={"name": "more"}, headers=headers)
    assert answer.status_code == 403, answer.text
