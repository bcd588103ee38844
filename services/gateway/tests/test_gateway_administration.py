"""Routes of administration: what they ask of `auth`, what they answer, and what they never take."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts import limits, organizations, users
from headrace_gateway.ports import AccountAnswer
from headrace_gateway.testing.gateway import Gateway, running_gateway

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORGANIZATION = {"organization_id": "o1", "name": "acme", "created_at": NOW, "platform": False}
TEAM = {"team_id": "t1", "name": "research", "created_at": NOW}
USER = {"user_id": "u1", "email": "a@b.test", "role": "member", "team_id": None, "created_at": NOW}
INVITATION = {"invitation_id": "i1", "email": "a@b.test", "role": "admin", "created_at": NOW}
LIMIT = {"subject": "user", "subject_id": "u1", "kind": "requests_per_minute", "amount": 5}
BUDGET = {"subject": "user", "subject_id": "u1", "period": "day", "amount_micros": 5}
PRICE = {
    "model": "smollm2",
    "input_micros_per_million_tokens": 1,
    "output_micros_per_million_tokens": 2,
}
PRICES = {"version": 1, "currency": "EUR", "effective_at": NOW, "prices": [PRICE]}
NEW_BUDGET = {"subject": "team", "amount_micros": 5, "currency": "EUR", "period": "day"}
PAGE = {"page_size": 50, "page_token": ""}
CAPS = {**PAGE, "subject": None, "subject_id": "", "organization_id": ""}


class Case(NamedTuple):
    """A request, what it asks of which call, what that answers, and what it is about."""

    method: str
    path: str
    body: Any
    call: str
    asked: dict[str, Any]
    answer: dict[str, Any]
    status: int = 200
    resource: str = ""


CASES = [
    Case("POST", "/orgs", {"name": "acme"}, "CreateOrganization",
     {"name": "acme", "owner_email": None}, {"organization": ORGANIZATION, "invitation": None},
     201, "organization:o1"),
    Case("GET", "/orgs?all=true&page_size=2", None, "ListOrganizations",
     {"all": True, "page_size": 2, "page_token": ""}, {"organizations": [ORGANIZATION]}),
    Case("GET", "/orgs", None, "ListOrganizations", {"all": False, **PAGE},
     {"organizations": [ORGANIZATION], "next_page_token": ""}),
    Case("GET", "/orgs/o1", None, "GetOrganization", {"organization_id": "o1"},
     {"organization": ORGANIZATION}, 200, "organization:o1"),
    Case("PATCH", "/orgs/o1", {"name": "x"}, "UpdateOrganization",
     {"organization_id": "o1", "name": "x"}, {"organization": ORGANIZATION}, 200,
     "organization:o1"),
    Case("PUT", "/orgs/o1/tier", {"tier": "premium"}, "SetTier",
     {"organization_id": "o1", "tier": "premium"}, {"organization": ORGANIZATION}, 200,
     "organization:o1"),
    Case("POST", "/teams", {"name": "x"}, "CreateTeam", {"name": "x"},
     {"team": TEAM}, 201, "team:t1"),
    Case("GET", "/teams", None, "ListTeams", PAGE, {"teams": [TEAM]}),
    Case("PATCH", "/teams/t1", {"name": "x"}, "UpdateTeam", {"team_id": "t1", "name": "x"},
     {"team": TEAM}, 200, "team:t1"),
    Case("DELETE", "/teams/t1", None, "DeleteTeam", {"team_id": "t1"},
     {"team": TEAM}, 200, "team:t1"),
    Case("GET", "/users", None, "ListUsers", PAGE, {"users": [USER]}),
    Case("GET", "/users/u1", None, "GetUser", {"user_id": "u1"}, {"user": USER}, 200, "user:u1"),
    Case("PATCH", "/users/u1", {"role": "admin"}, "UpdateUser",
     {"user_id": "u1", "role": "admin", "team_id": None}, {"user": USER}, 200, "user:u1"),
    Case("PATCH", "/users/u1", {"team_id": None}, "UpdateUser",
     {"user_id": "u1", "role": None, "team_id": ""}, {"user": USER}, 200, "user:u1"),
    Case("PATCH", "/users/u1", {"team_id": "t1"}, "UpdateUser",
     {"user_id": "u1", "role": None, "team_id": "t1"}, {"user": USER}, 200, "user:u1"),
    Case("DELETE", "/users/u1", None, "RemoveUser", {"user_id": "u1"},
     {"user": USER}, 200, "user:u1"),
    Case("DELETE", "/users/u1/sessions", None, "EndUserSessions", {"user_id": "u1"}, {"ended": 3},
     200, "user:u1"),
    Case("POST", "/users/u1/disable", None, "DisableUser", {"user_id": "u1"}, {"user": USER}, 200,
     "user:u1"),
    Case("POST", "/users/u1/enable", None, "EnableUser", {"user_id": "u1"}, {"user": USER}, 200,
     "user:u1"),
    Case("POST", "/service-accounts", {"name": "nightly", "team_id": "t1"}, "CreateServiceAccount",
     {"name": "nightly", "team_id": "t1"}, {"user": USER}, 201, "user:u1"),
    Case("POST", "/invitations", {"email": "a@b.test", "role": "admin"}, "InviteUser",
     {"email": "a@b.test", "role": "admin", "team_id": None, "organization_id": None},
     {"invitation": INVITATION}, 201, "invitation:i1"),
    Case("GET", "/invitations", None, "ListInvitations", PAGE, {"invitations": [INVITATION]}),
    Case("DELETE", "/invitations/i1", None, "RevokeInvitation", {"invitation_id": "i1"},
     {"invitation": INVITATION}, 200, "invitation:i1"),
    Case("GET", "/roles", None, "ListRoles", {}, {"roles": [{"role": "owner"}]}),
    Case("GET", "/limits?subject=user&subject_id=u1", None, "ListLimits",
     {**CAPS, "subject": "user", "subject_id": "u1"}, {"limits": [LIMIT]}),
    Case("PUT", "/limits", {**LIMIT, "model": "m"}, "SetLimit",
     {**LIMIT, "model": "m", "organization_id": None}, {"limit": LIMIT}),
    Case("DELETE", "/limits?subject=user&subject_id=u1&kind=requests_per_minute&model=m", None,
     "RemoveLimit",
     {"subject": "user", "subject_id": "u1", "kind": "requests_per_minute", "model": "m",
      "organization_id": ""}, {"limit": LIMIT}),
    Case("GET", "/budgets", None, "ListBudgets", CAPS, {"budgets": [BUDGET]}),
    Case("PUT", "/budgets", NEW_BUDGET, "SetBudget",
     {**NEW_BUDGET, "subject_id": None, "time_zone": "UTC", "model": "", "organization_id": None},
     {"budget": BUDGET}),
    Case("DELETE", "/budgets?subject=organization&organization_id=o1&period=day", None,
     "RemoveBudget",
     {"subject": "organization", "subject_id": "", "period": "day", "model": "",
      "organization_id": "o1"}, {"budget": BUDGET}),
    Case("GET", "/prices", None, "GetPriceTable", {"version": 0}, {"price_table": PRICES}),
    Case("GET", "/prices?version=3", None, "GetPriceTable", {"version": 3},
     {"price_table": PRICES}),
    Case("POST", "/prices",
     {"currency": "EUR", "effective_at": "2026-02-01T01:00:00+01:00", "prices": [PRICE]},
     "SetPriceTable",
     {"currency": "EUR", "effective_at": datetime(2026, 2, 1, tzinfo=UTC), "prices": [PRICE]},
     {"price_table": PRICES}, 201, ""),
]  # fmt: skip
ROUTES = (
    *organizations.ORGANIZATIONS,
    *organizations.TEAMS,
    *organizations.ROLES,
    *users.USERS,
    *users.INVITATIONS,
    *limits.LIMITS,
    *limits.BUDGETS,
    *limits.PRICES,
)
WITH_BODY = [route for route in ROUTES if route.body is not None]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway() as running:
        yield running


def _shown(fields: dict[str, Any]) -> Any:
    """The answer as JSON would have it."""
    [(name, first), *_] = fields.items()
    if isinstance(first, list):
        return {"data": [_record(name[:-1], each) for each in first], "next_page_token": None}
    if not isinstance(first, dict):
        return fields
    rest = {key: value for key, value in fields.items() if key != name}
    return {**_record(name, first), **rest}


def _record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    shown = {key: _json(value) for key, value in fields.items()}
    own = shown.pop(f"{name}_id", None) if name not in ("limit", "budget") else None
    return {"id": own, **shown} if own else shown


def _json(value: Any) -> Any:
    return "2026-01-01T00:00:00Z" if value == NOW else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.path}")
async def test_a_route_asks_its_call_and_shows_what_it_answers(
    gateway: Gateway, case: Case
) -> None:
    [name] = [each.call for each in ROUTES if each.call.endswith(f"/{case.call}")]
    gateway.accounts.answers[name] = AccountAnswer(case.answer)
    response = await gateway.client.request(case.method, f"/api/v1{case.path}", json=case.body)
    assert (response.status_code, gateway.accounts.calls) == (case.status, [(name, case.asked)])
    assert response.json() == _shown(case.answer)
    assert response.headers["cache-control"] == "no-store"
    [exchange] = gateway.events.exchanges
    assert (exchange.activity, exchange.resource) == (Activity.ADMINISTRATION, case.resource)


def test_every_route_is_asked_above() -> None:
    assert {case.call for case in CASES} == {route.call.partition("/")[2] for route in ROUTES}


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize(
    "field", ["user_id", "created_by", "platform", "version", "id", "disabled_at", "token_version"]
)
async def test_no_body_sets_what_is_not_its_own(
    gateway: Gateway, route: AccountRoute, field: str
) -> None:
    [body, *_] = [case.body for case in CASES if route.call.endswith(f"/{case.call}")]
    path = route.path.replace("{", "").replace("}", "")
    response = await gateway.client.request(route.method, path, json={**body, field: "x"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", field)
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/orgs", {"name": "x", "organization_id": "o2"}, "organization_id"),
        ("POST", "/orgs", {"name": ""}, "name"),
        ("POST", "/orgs", {"name": 5}, "name"),
        ("PATCH", "/orgs/o1", {"name": "x", "organization_id": "o2"}, "organization_id"),
        ("PATCH", "/orgs/o1", {"name": "x", "tier": "premium"}, "tier"),
        ("POST", "/orgs", {"name": "x", "tier": "premium"}, "tier"),
        ("PUT", "/orgs/o1/tier", {}, "tier"),
        ("PUT", "/orgs/o1/tier", {"tier": "premium", "organization_id": "o2"}, "organization_id"),
        ("POST", "/teams", {"name": "x" * 101}, "name"),
        ("POST", "/teams", {"name": "x", "organization_id": "o2"}, "organization_id"),
        ("PATCH", "/users/u1", {"role": ["owner"]}, "role"),
        ("PATCH", "/users/u1", {"email": "a@b.test"}, "email"),
        ("PATCH", "/users/u1", {"team_id": "x" * 65}, "team_id"),
        ("POST", "/service-accounts", {"name": "x", "role": "owner"}, "role"),
        ("POST", "/service-accounts", {"name": "x", "kind": "person"}, "kind"),
        ("POST", "/invitations", {"email": "a@b.test"}, "role"),
        ("POST", "/invitations", {"role": "admin", "email": "x" * 255}, "email"),
        ("PUT", "/limits", {**LIMIT, "amount": 0}, "amount"),
        ("PUT", "/limits", {**LIMIT, "amount": 10**12 + 1}, "amount"),
        ("PUT", "/limits", {**LIMIT, "amount": "5"}, "amount"),
        ("PUT", "/limits", {**LIMIT, "amount": 5.5}, "amount"),
        ("PUT", "/limits", {**LIMIT, "model": "x" * 201}, "model"),
        ("PUT", "/budgets", {**NEW_BUDGET, "amount_micros": -1}, "amount_micros"),
        ("PUT", "/budgets", {**NEW_BUDGET, "currency": "eur"}, "currency"),
        ("PUT", "/budgets", {**NEW_BUDGET, "currency": "EUR\n"}, "currency"),
        ("PUT", "/budgets", {**NEW_BUDGET, "time_zone": "x" * 65}, "time_zone"),
        ("POST", "/prices", {"currency": "EUR", "prices": []}, "prices"),
        ("POST", "/prices", {"currency": "EUR", "prices": [PRICE] * 501}, "prices"),
        (
            "POST",
            "/prices",
            {"currency": "EUR", "prices": [{**PRICE, "x": 1}]},
            "prices[0].x",
        ),
        (
            "POST",
            "/prices",
            {"currency": "EUR", "prices": [PRICE], "effective_at": "2026-02-01T00:00:00"},
            "effective_at",
        ),
        ("POST", "/prices", {"currency": "EUR", "prices": [PRICE], "version": 9}, "version"),
        ("GET", "/limits?page_size=0", None, "page_size"),
        ("GET", "/limits?page_token=" + "x" * 2001, None, "page_token"),
        ("GET", "/prices?version=-1", None, "version"),
        ("DELETE", "/limits?subject=user", None, "kind"),
        ("DELETE", "/budgets?period=day", None, "subject"),
        ("GET", "/orgs?all=perhaps", None, "all"),
    ],
)
async def test_bad_fields_are_named_before_auth_is_asked(
    gateway: Gateway, method: str, path: str, body: Any, param: str
) -> None:
    response = await gateway.client.request(method, f"/api/v1{path}", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert gateway.accounts.calls == []


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.PERMISSION_DENIED, 403),
        (Reason.RESOURCE_NOT_FOUND, 404),
        (Reason.ALREADY_EXISTS, 409),
        (Reason.DEPENDENCY_UNAVAILABLE, 503),
    ],
)
async def test_what_auth_refuses_is_told_as_it_is(
    gateway: Gateway, reason: Reason, status: int
) -> None:
    gateway.accounts.answers["DirectoryService/CreateTeam"] = HeadraceError(reason, "no")
    response = await gateway.client.post("/api/v1/teams", json={"name": "x"})
    assert response.status_code == status
    assert response.json()["error"]["code"] == reason.value.lower()


async def test_the_document_knows_all_bodies_and_what_they_are_made_of(gateway: Gateway) -> None:
    document = (await gateway.client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for route in WITH_BODY:
        operation = document["paths"][route.path][route.method.lower()]
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference.removeprefix("#/components/schemas/") in schemas
    assert "ModelPriceBody" in schemas
    assert "$defs" not in str(document)
