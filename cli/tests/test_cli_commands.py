"""What commands send, from what people type."""

from typing import Any

import pytest

from headrace_cli.testing import Desk

GROUPS = ("keys", "users", "invitations", "teams", "orgs", "limits", "oauth-clients")
ALONE = (("switch",), ("login",), ("bootstrap",), ("limits", "set"), ("orgs", "create"))
KEY = {"id": "k1", "name": "ci", "requests_per_minute": 60, "allowed_models": []}
SENT: list[tuple[str, str, Any]] = [
    ("keys create ci", "POST /api/v1/keys", {"name": "ci"}),
    (
        "keys create ci --scope llm:invoke --model a --model b --network 10.0.0.0/8 "
        "--expires-at 2027-01-01T01:00:00+01:00 --requests-per-minute 60 --concurrent-requests 2",
        "POST /api/v1/keys",
        {
            "name": "ci",
            "scopes": ["llm:invoke"],
            "allowed_models": ["a", "b"],
            "allowed_networks": ["10.0.0.0/8"],
            "expires_at": "2027-01-01T00:00:00Z",
            "requests_per_minute": 60,
            "concurrent_requests": 2,
        },
    ),
    (
        "keys update k1 --requests-per-minute none --model none --budget none",
        "PATCH /api/v1/keys/k1",
        {"requests_per_minute": None, "allowed_models": [], "budget": None},
    ),
    ("keys rotate k1 --overlap 24h", "POST /api/v1/keys/k1/rotate", {"overlap_seconds": 86_400}),
    ("keys rotate k1", "POST /api/v1/keys/k1/rotate", {}),
    ("keys revoke k1", "DELETE /api/v1/keys/k1", None),
    (
        "users invite b@c.d --role member --team t",
        "POST /api/v1/invitations",
        {"email": "b@c.d", "role": "member", "team_id": "t"},
    ),
    ("users set-role u admin", "PATCH /api/v1/users/u", {"role": "admin"}),
    ("users set-team u none", "PATCH /api/v1/users/u", {"team_id": None}),
    ("users remove u", "DELETE /api/v1/users/u", None),
    ("users end-sessions u", "DELETE /api/v1/users/u/sessions", None),
    ("service-accounts create bot", "POST /api/v1/service-accounts", {"name": "bot"}),
    ("invitations revoke i", "DELETE /api/v1/invitations/i", None),
    ("teams create red", "POST /api/v1/teams", {"name": "red"}),
    ("teams rename t blue", "PATCH /api/v1/teams/t", {"name": "blue"}),
    ("teams delete t", "DELETE /api/v1/teams/t", None),
    ("orgs create globex", "POST /api/v1/orgs", {"name": "globex"}),
    ("orgs rename o new", "PATCH /api/v1/orgs/o", {"name": "new"}),
    ("orgs set-tier o premium", "PUT /api/v1/orgs/o/tier", {"tier": "premium"}),
    (
        "limits set team requests_per_minute 600 --id t",
        "PUT /api/v1/limits",
        {
            "subject": "team",
            "kind": "requests_per_minute",
            "amount": 600,
            "subject_id": "t",
        },
    ),
    (
        "budgets set user 25.50 eur month --id u",
        "PUT /api/v1/budgets",
        {
            "subject": "user",
            "amount_micros": 25_500_000,
            "currency": "EUR",
            "period": "month",
            "subject_id": "u",
        },
    ),
    (
        "oauth-clients create app --grant-type client_credentials --scope llm:invoke --public",
        "POST /api/v1/oauth-clients",
        {
            "name": "app",
            "grant_types": ["client_credentials"],
            "scopes": ["llm:invoke"],
            "public": True,
        },
    ),
    ("oauth-clients rotate-secret c", "POST /api/v1/oauth-clients/c/rotate", None),
    ("signing-keys rotate --withdraw", "POST /api/v1/signing-keys/rotate", {"withdraw": True}),
]


@pytest.mark.parametrize(("typed", "sent", "body"), SENT)
def test_a_command_sends_what_was_typed(desk: Desk, typed: str, sent: str, body: Any) -> None:
    desk.logged_in().answers[sent] = KEY
    desk(*typed.split())
    assert desk.sent() == [sent]
    assert desk.requests[0].headers["authorization"] == "Bearer old-access"
    assert (desk.body() if desk.requests[0].content else None) == body


def test_what_names_a_limit_is_in_the_query(desk: Desk) -> None:
    desk.logged_in().answers["DELETE /api/v1/limits"] = {}
    desk("limits", "remove", "team", "tokens_per_minute", "--id", "t", "--model", "m")
    query = {"subject": "team", "kind": "tokens_per_minute", "subject_id": "t", "model": "m"}
    assert dict(desk.requests[0].url.params) == query


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["keys", "rotate", "k", "--overlap", "1 day"], "must be a duration"),
        (["keys", "create", "k", "--expires-at", "2027-01-01"], "must be a time"),
        (["keys", "create", "k", "--requests-per-minute", "0"], "at least 1"),
        (["keys", "create", "k", "--budget", "5"], "must be an amount"),
        (["keys", "update", "k"], "at least one thing"),
        (["keys", "revoke", ""], "An id cannot be empty"),
        (["keys", "revoke", ".."], "An id cannot be empty"),
        (["budgets", "set", "user", "NaN", "EUR", "month"], "must be an amount"),
        (["prices", "set", "/nowhere"], "cannot be read"),
        (["keys", "revoke"], "Missing argument"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(desk: Desk, typed: list[str], said: str) -> None:
    result = desk.logged_in()(*typed, code=2)
    assert said in result.output
    assert desk.requests == []


def test_an_id_stays_one_segment_of_the_path(desk: Desk) -> None:
    desk.logged_in().answers["DELETE /api/v1/keys/a/../b?c"] = KEY
    desk("keys", "revoke", "a/../b?c")
    assert desk.requests[0].url.raw_path == b"/api/v1/keys/a%2F..%2Fb%3Fc"


def test_help_spells_as_the_api_does(desk: Desk) -> None:
    names = [(), *((group,) for group in GROUPS), *ALONE]
    pages = [desk(*name, "--help").output for name in names]
    text = "".join(pages).lower()
    assert "organization" in text
    assert "organisation" not in text
