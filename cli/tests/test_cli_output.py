"""What commands show: lists, secrets, plans, failures."""

import json
from typing import Any

import httpx
import pytest

from headrace_cli.testing import Desk, refusal

KEY = {
    "id": "0Diwb7Fo7XxmPGgQ",
    "name": "ci",
    "scopes": ["llm:invoke", "models:read"],
    "requests_per_minute": 60,
    "created_at": "2026-11-22T01:02:03Z",
    "expires_at": None,
    "revoked_at": None,
}
AT = f"/api/v1/keys/{KEY['id']}"


def _page(*records: Any, after: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"data": list(records), "next_page_token": after})


@pytest.mark.parametrize("name", ["ci", "a long name " * 8, "markup [/] [red]"])
def test_a_list_fits_80_columns_with_ids_whole_and_markup_as_text(desk: Desk, name: str) -> None:
    desk.logged_in().answers["GET /api/v1/keys"] = _page({**KEY, "name": name})
    output = desk("keys", "list").output
    assert str(KEY["id"]) in output
    assert name.rsplit(maxsplit=1)[-1] in output
    assert max(map(len, output.splitlines())) <= 80


def test_all_pages_of_a_list_are_read(desk: Desk) -> None:
    pages = {"": _page({"id": "b"}, after="two"), "two": _page({"id": "a"})}
    desk.logged_in().answers["GET /api/v1/teams"] = lambda r: pages[
        r.url.params.get("page_token", "")
    ]
    listed = json.loads(desk("teams", "list", "--json").stdout)
    assert [each["id"] for each in listed] == ["b", "a"]
    assert not desk.requests[0].url.params  # not every list has pages


def test_a_secret_alone_goes_to_standard_output_with_a_warning_beside_it(desk: Desk) -> None:
    desk.logged_in().answers["POST /api/v1/keys"] = {**KEY, "secret": "hr_x_y"}
    result = desk("keys", "create", "ci")
    assert result.stdout == "hr_x_y\n"
    assert "not shown again" in result.stderr
    assert "hr_x_y" not in result.stderr


def test_who_was_invited_is_said_by_address(desk: Desk) -> None:
    invited = {"id": "01a2", "email": "ann@example.org", "role": "member"}
    desk.logged_in().answers["POST /api/v1/invitations"] = httpx.Response(201, json=invited)
    result = desk("users", "invite", "ann@example.org", "--role", "member")
    assert result.stderr == "01a2 ann@example.org: is invited.\n"


def test_a_dry_run_shows_the_difference_and_changes_nothing(desk: Desk) -> None:
    desk.logged_in().answers[f"GET {AT}"] = KEY
    result = desk("keys", "update", str(KEY["id"]), "--requests-per-minute", "90", "--dry-run")
    assert desk.sent() == [f"GET {AT}"]
    assert f"PATCH {AT}" in result.stderr
    assert ["requests_per_minute", "60", "90"] in [x.split() for x in result.stdout.splitlines()]


def test_amounts_are_shown_whole_and_called_so(desk: Desk) -> None:
    budget = {"subject": "user", "subject_id": "u", "currency": "EUR", "period": "month"}
    page = _page({**budget, "amount_micros": 25_500_000})
    desk.logged_in().answers["GET /api/v1/budgets"] = page
    heading, row = desk("budgets", "list").output.splitlines()
    assert heading.split()[2] == "amount"
    assert row.split()[2] == "25.5"


def test_a_dry_run_of_a_revocation_shows_the_thing(desk: Desk) -> None:
    desk.logged_in().answers[f"GET {AT}"] = KEY
    plan = json.loads(desk("keys", "revoke", str(KEY["id"]), "--dry-run", "--json").stdout)
    assert (plan["method"], plan["path"], plan["present"]) == ("DELETE", AT, KEY)
    assert desk.sent() == [f"GET {AT}"]


@pytest.mark.parametrize(
    ("model", "now"), [("", 600), ("m", 5), ("other", None)], ids=["all", "one", "none"]
)
def test_a_dry_run_finds_the_limit_of_the_same_model(
    desk: Desk, model: str, now: int | None
) -> None:
    limit = {"subject": "team", "subject_id": "t", "kind": "requests_per_minute"}
    limits = _page({**limit, "model": "m", "amount": 5}, {**limit, "model": "", "amount": 600})
    desk.logged_in().answers["GET /api/v1/limits"] = limits
    arguments = ["team", "requests_per_minute", "700", "--id", "t", "--dry-run", "--json"]
    arguments += ["--model", model] if model else []
    plan = json.loads(desk("limits", "set", *arguments).stdout)
    assert plan["changes"]["amount"] == [now, 700]
    assert (plan["present"] or {}).get("amount") == now


def test_a_dry_run_finds_the_tier_of_an_organization_that_one_is_not_in(desk: Desk) -> None:
    organizations = _page({"id": "a", "tier": "standard"}, {"id": "o", "tier": "free"})
    desk.logged_in().answers["GET /api/v1/orgs"] = organizations
    plan = json.loads(desk("orgs", "set-tier", "o", "premium", "--dry-run", "--json").stdout)
    assert plan["changes"] == {"tier": ["free", "premium"]}
    assert dict(desk.requests[0].url.params) == {"all": "true"}
    assert desk.sent() == ["GET /api/v1/orgs"]


def test_a_dry_run_of_first_prices_finds_none(desk: Desk) -> None:
    file = desk.path.parent.parent / "prices.json"
    file.write_text('{"currency": "EUR", "prices": []}')
    missing = refusal(404, "resource_not_found", "There are no prices.")
    desk.logged_in().answers["GET /api/v1/prices"] = missing
    plan = json.loads(desk("prices", "set", str(file), "--dry-run", "--json").stdout)
    assert plan["body"] == {"currency": "EUR", "prices": []}
    assert desk.sent() == ["GET /api/v1/prices"]


def test_the_prices_in_force_can_be_changed_and_sent_back(desk: Desk) -> None:
    shown = {"version": 3, "currency": "EUR", "effective_at": "2026-01-01T00:00:00Z", "prices": []}
    desk.logged_in().answers["GET /api/v1/prices"] = {**shown, "created_at": "2026-01-01T00:00:00Z"}
    desk.answers["POST /api/v1/prices"] = {**shown, "version": 4}
    file = desk.path.parent.parent / "prices.json"
    file.write_text(desk("prices", "show", "--json").stdout)
    desk("prices", "set", str(file))
    assert desk.body() == {"currency": "EUR", "prices": []}


def test_a_refusal_is_one_line_with_param_and_request(desk: Desk) -> None:
    told = refusal(400, "invalid_field", "name: is\ntoo long.", "name")
    desk.logged_in().answers["POST /api/v1/teams"] = told
    assert desk("teams", "create", "x", code=1).stderr == (
        "name: is too long. (param name, request r-1)\n"
    )


def test_nobody_who_is_logged_in_is_told_to(desk: Desk) -> None:
    assert "Run `headrace login` first" in desk("keys", "list", code=1).stderr


def test_something_else_at_the_address_is_said_to_be_no_headrace(desk: Desk) -> None:
    desk.logged_in().answers["GET /api/v1/keys"] = httpx.Response(200, text="<html>")
    assert "is no Headrace" in desk("keys", "list", code=3).stderr


def test_an_address_where_nobody_answers(desk: Desk) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    desk.logged_in().answers["GET /api/v1/keys"] = refuse
    stderr = desk("keys", "list", code=3).stderr
    assert "does not answer: connection refused" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_ca_file_that_is_none_says_what_to_do(desk: Desk, content: str) -> None:
    file = desk.path.parent.parent / "ca.pem"
    file.write_text(content)
    arguments = ["--email", "a@b.c", "--ca-file", str(file)]
    result = desk("login", *arguments, code=2, HEADRACE_PASSWORD="a long phrase")
    assert "headrace login --ca-file" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"currency": "EUR",\n "prices": [}', "must be JSON; line 2, column 13: Expecting value."),
        ("[]", "must hold a JSON object."),
        ('{"currency": NaN}', "must be JSON: Out of range float values are not JSON compliant"),
        ('{"currency": "\\ud800"}', "must be JSON in UTF-8."),
        ("[" * 100_000, "must be JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_file_that_is_no_json_is_named_with_the_place_and_the_rule(
    desk: Desk, content: str, said: str
) -> None:
    file = desk.path.parent.parent / "prices.json"
    file.write_text(content)
    stderr = desk.logged_in()("prices", "set", str(file), code=2).stderr
    assert stderr.startswith(f"{file}: {said}")
    assert len(stderr.splitlines()) == 1
    assert desk.requests == []


def test_a_refusal_of_a_files_content_names_the_file_with_field_and_rule(desk: Desk) -> None:
    file = desk.path.parent.parent / "prices.json"
    file.write_text('{"currency": "euro", "prices": []}')
    told = refusal(400, "invalid_field", "Invalid value for 'currency': no code.", "currency")
    desk.logged_in().answers["POST /api/v1/prices"] = told
    assert desk("prices", "set", str(file), code=1).stderr == (
        f"{file}: Invalid value for 'currency': no code. (param currency, request r-1)\n"
    )
    desk.answers["POST /api/v1/prices"] = refusal(403, "permission_denied", "Not you.")
    assert desk("prices", "set", str(file), code=1).stderr == "Not you. (request r-1)\n"


def test_ones_organizations_are_a_list_like_others(desk: Desk) -> None:
    places = [
        {
            "organization_id": "01900000-0000-7000-8000-00000000000a",
            "name": "acme",
            "role": "owner",
        },
        {"organization_id": "01900000-0000-7000-8000-00000000000b", "name": "gl", "role": "member"},
    ]
    me = {"email": "a@b.c", "scopes": ["llm:invoke"], "organizations": places}
    desk.logged_in().answers["GET /api/v1/auth/me"] = me
    lines = [line.split() for line in desk("me").stdout.splitlines()]
    assert lines == [
        ["email", "a@b.c"],
        ["scopes", "llm:invoke"],
        ["id", "name", "role"],
        *(list(place.values()) for place in places),
    ]
    assert json.loads(desk("me", "--json").stdout) == me
