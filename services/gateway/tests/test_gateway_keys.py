"""Routes of keys: what may be said, and that a change names exactly what was sent."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import Gateway, running_gateway

KEY_ID = "0123456789abcdefG"
BUDGET = {"amount_micros": 5, "currency": "EUR", "period": "week", "time_zone": "Europe/Berlin"}
ANSWER = AccountAnswer({"api_key": {"api_key_id": KEY_ID, "budget": BUDGET}, "secret": "hr_x"})


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        for call in ("CreateApiKey", "CreateSigningCredential", "UpdateApiKey", "RotateApiKey"):
            running.accounts.answers[f"ApiKeyService/{call}"] = ANSWER
        running.accounts.answers["ApiKeyService/GetApiKey"] = AccountAnswer(
            {"api_key": {"api_key_id": KEY_ID}}
        )
        yield running


async def _patch(gateway: Gateway, document: Any) -> tuple[int, Any]:
    response = await gateway.client.patch(f"/api/v1/keys/{KEY_ID}", json=document)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    "document",
    [
        {"name": "new"},
        {"scopes": ["llm:invoke"], "allowed_models": []},
        {"allowed_networks": ["10.0.0.0/8"]},
        {"allowed_networks": None, "allowed_models": None},
        {"expires_at": None, "budget": None},
        {"requests_per_minute": None, "tokens_per_minute": 5, "concurrent_requests": 1},
        {"budget": BUDGET},
    ],
)
async def test_a_change_names_what_was_sent(gateway: Gateway, document: dict[str, Any]) -> None:
    status, answer = await _patch(gateway, document)
    assert (status, answer["id"]) == (200, KEY_ID)
    [(name, fields)] = gateway.accounts.calls
    assert name == "ApiKeyService/UpdateApiKey"
    expected = {**document, "api_key_id": KEY_ID, "update_mask": {"paths": sorted(document)}}
    assert fields == expected
    assert gateway.events.exchanges[0].resource == f"api_key:{KEY_ID}"


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, None),
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"scopes": None}, "scopes"),
        ({"role": "owner"}, "role"),
        ({"created_by": "x"}, "created_by"),
        ({"user_id": "x"}, "user_id"),
        ({"api_key_id": "x"}, "api_key_id"),
        ({"update_mask": {"paths": ["name"]}}, "update_mask"),
        ({"version": 1}, "version"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"concurrent_requests": "1"}, "concurrent_requests"),
        ({"allowed_networks": ["x" * 51]}, "allowed_networks[0]"),
        ({"allowed_networks": ["::/0"] * 51}, "allowed_networks"),
        ({"budget": {}}, "budget.amount_micros"),
        ({"budget": {**BUDGET, "subject_id": "x"}}, "budget.subject_id"),
        ({"budget": {**BUDGET, "period": "year"}}, "budget.period"),
        ({"budget": {**BUDGET, "amount_micros": -1}}, "budget.amount_micros"),
    ],
)
async def test_what_cannot_be_changed_so_is_named(
    gateway: Gateway, document: dict[str, Any], param: str | None
) -> None:
    status, answer = await _patch(gateway, document)
    assert (status, answer["error"]["param"]) == (400, param)
    assert gateway.accounts.calls == []


async def test_a_new_key_with_everything(gateway: Gateway) -> None:
    document = {
        "name": "key",
        "scopes": ["llm:invoke"],
        "allowed_models": ["echo"],
        "allowed_networks": ["::/0"],
        "requests_per_minute": 1,
        "tokens_per_minute": 2,
        "concurrent_requests": 3,
        "budget": BUDGET,
        "user_id": "01900000-0000-7000-8000-000000000005",
    }
    response = await gateway.client.post("/api/v1/keys", json=document)
    assert response.status_code == 201
    assert response.json() == {"id": KEY_ID, "budget": BUDGET, "secret": "hr_x"}
    assert gateway.accounts.calls == [
        ("ApiKeyService/CreateApiKey", {**document, "expires_at": None})
    ]


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({}, "signature_algorithm"),
        ({"signature_algorithm": "none"}, "signature_algorithm"),
        ({"signature_algorithm": "ed25519", "public_key": "x" * 2049}, "public_key"),
        ({"signature_algorithm": "hmac-sha256", "secret": "mine"}, "secret"),
    ],
)
async def test_a_key_that_signs_needs_a_known_algorithm(
    gateway: Gateway, document: dict[str, Any], param: str
) -> None:
    response = await gateway.client.post("/api/v1/keys/signing", json={"name": "x", **document})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_a_key_that_signs_is_made(gateway: Gateway) -> None:
    document = {"name": "x", "signature_algorithm": "hmac-sha256"}
    response = await gateway.client.post("/api/v1/keys/signing", json=document)
    assert (response.status_code, response.json()["secret"]) == (201, "hr_x")
    [(name, fields)] = gateway.accounts.calls
    assert name == "ApiKeyService/CreateSigningCredential"
    assert (fields["signature_algorithm"], fields["public_key"]) == ("hmac-sha256", "")


@pytest.mark.parametrize(("document", "seconds"), [({}, 86_400), ({"overlap_seconds": 0}, 0)])
async def test_a_rotation_overlaps_for_a_day_unless_told(
    gateway: Gateway, document: dict[str, Any], seconds: int
) -> None:
    response = await gateway.client.post(f"/api/v1/keys/{KEY_ID}/rotate", json=document)
    assert (response.status_code, response.json()["secret"]) == (200, "hr_x")
    assert gateway.accounts.calls == [
        ("ApiKeyService/RotateApiKey", {"api_key_id": KEY_ID, "overlap_seconds": seconds})
    ]


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, "1", None])
async def test_an_overlap_has_bounds(gateway: Gateway, seconds: object) -> None:
    document = {"overlap_seconds": seconds}
    response = await gateway.client.post(f"/api/v1/keys/{KEY_ID}/rotate", json=document)
    assert response.json()["error"]["param"] == "overlap_seconds"


async def test_one_key_is_shown(gateway: Gateway) -> None:
    response = await gateway.client.get(f"/api/v1/keys/{KEY_ID}")
    assert (response.status_code, response.json()) == (200, {"id": KEY_ID})
