"""Administration from the gateway's routes through the real auth, field by field."""

from datetime import UTC, datetime
from typing import Any

import orjson

from headrace_auth.testing.directory import ACME, ACME_TEAM, ADMIN, GLOBEX, MEMBER, OWNER, Person
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth
from headrace_common.errors import Reason
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts.tables import TABLES
from headrace_gateway.http.bodies import parse_body, parse_query

ROUTES = {
    (route.method, route.path.removeprefix("/api/v1")): route
    for routes in TABLES.values()
    for route in routes
}
PRICE = {
    "model": "smollm2",
    "input_micros_per_million_tokens": 1,
    "output_micros_per_million_tokens": 2,
}


async def ask(
    auth: RunningAuth,
    person: Person,
    method: str,
    path: str,
    body: Any = None,
    **given: str,
) -> Any:
    """What the route answers; `given` are the path's parameters, or else the query's."""
    route: AccountRoute = ROUTES[method, path]
    fields: dict[str, Any] = {name: given.pop(name) for name in [*given] if f"{{{name}" in path}
    fields |= parse_query(route.query, given).model_dump()
    if route.body is not None:
        fields |= parse_body(route.body, orjson.dumps(body)).model_dump()
    exchange = Exchange(
        request_id="r1",
        activity=Activity.ADMINISTRATION,
        operation=f"{method} {path}",
        source_address="192.0.2.7",
        credential=await auth.token_of(person.email),
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        started=0.0,
    )
    answer = await GrpcAccounts(auth.channel, seconds=5).call(route.call, fields, exchange)
    return orjson.loads(orjson.dumps(route.answer(answer.fields)))


async def test_an_organisation_with_its_first_owner(auth: RunningAuth) -> None:
    body = {"name": "initech", "owner_email": "boss@initech.test"}
    made = await ask(auth, OWNER, "POST", "/orgs", body)
    assert (made["name"], made["platform"]) == ("initech", False)
    assert made["invitation"]["organization_id"] == made["id"]
    assert (made["invitation"]["role"], made["invitation"]["team_id"]) == ("owner", None)
    assert made["created_at"] == "2026-01-01T00:00:00Z"
    assert (await ask(auth, OWNER, "POST", "/orgs", {"name": "hooli"}))["invitation"] is None
    everything = await ask(auth, OWNER, "GET", "/orgs", all="true")
    assert {each["name"] for each in everything["data"]} == {"acme", "globex", "initech", "hooli"}
    assert everything["next_page_token"] is None


async def test_a_tier_there_and_back(auth: RunningAuth) -> None:
    put = ("PUT", "/orgs/{organization_id}/tier")
    made = await ask(auth, OWNER, *put, {"tier": "premium"}, organization_id=GLOBEX)
    assert (made["id"], made["name"], made["tier"]) == (GLOBEX, "globex", "premium")
    everything = await ask(auth, OWNER, "GET", "/orgs", all="true")
    assert {each["name"]: each["tier"] for each in everything["data"]} == {
        "acme": "standard",
        "globex": "premium",
    }
    error = await refusal(ask(auth, OWNER, *put, {"tier": "gold"}, organization_id=GLOBEX))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "tier")
    assert "free, standard, premium" in error.message


async def test_a_user_is_moved_out_of_its_team_by_null_alone(auth: RunningAuth) -> None:
    user = await ask(auth, ADMIN, "GET", "/users/{user_id}", user_id=MEMBER.user_id)
    assert (user["id"], user["kind"], user["role"]) == (MEMBER.user_id, "person", "member")
    assert (user["team_id"], user["disabled_at"]) == (ACME_TEAM, None)
    patch = ("PATCH", "/users/{user_id}")
    changed = await ask(auth, ADMIN, *patch, {"role": "auditor"}, user_id=MEMBER.user_id)
    assert (changed["role"], changed["team_id"]) == ("auditor", ACME_TEAM)
    changed = await ask(auth, ADMIN, *patch, {"team_id": None}, user_id=MEMBER.user_id)
    assert (changed["role"], changed["team_id"]) == ("auditor", None)


async def test_a_word_that_is_none_is_refused_with_those_that_are(auth: RunningAuth) -> None:
    error = await refusal(
        ask(auth, ADMIN, "PATCH", "/users/{user_id}", {"role": "king"}, user_id=MEMBER.user_id)
    )
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "role")
    assert "owner, admin, member, auditor, service" in error.message
    for word in ("unspecified", "ROLE_OWNER", "1", "owner "):
        call = ask(auth, ADMIN, "POST", "/invitations", {"email": "a@b.test", "role": word})
        assert (await refusal(call)).param == "role"


async def test_roles_are_data(auth: RunningAuth) -> None:
    listed = await ask(auth, MEMBER, "GET", "/roles")
    roles = {each["role"]: each for each in listed["data"]}
    assert set(roles) == {"owner", "admin", "member", "auditor", "service"}
    assert roles["admin"]["grantable_roles"] == ["admin", "member", "auditor", "service"]
    assert {
        "action": "ListUsers",
        "scope": "organization:read",
        "reach": "own",
        "personal": False,
    } in roles["member"]["permissions"]


async def test_a_limit_and_a_budget_there_and_back(auth: RunningAuth) -> None:
    limit = {"subject": "user", "subject_id": MEMBER.user_id, "kind": "tokens_per_minute"}
    made = await ask(auth, ADMIN, "PUT", "/limits", {**limit, "amount": 10**12})
    assert made == {**limit, "model": "", "amount": 10**12}
    listed = await ask(auth, ADMIN, "GET", "/limits", subject="user", subject_id=MEMBER.user_id)
    assert made in listed["data"]
    assert await ask(auth, ADMIN, "DELETE", "/limits", **limit) == made
    whole = {"subject": "organization", "period": "week", "currency": "EUR", "amount_micros": 0}
    made = await ask(auth, OWNER, "PUT", "/budgets", whole)
    assert made == {**whole, "subject_id": ACME, "time_zone": "UTC", "model": ""}
    named = {"subject": "organization", "period": "week"}
    assert await ask(auth, OWNER, "DELETE", "/budgets", **named) == made


async def test_prices_there_and_back(auth: RunningAuth) -> None:
    body = {"currency": "EUR", "prices": [PRICE], "effective_at": "2026-01-01T01:00:00+01:00"}
    made = await ask(auth, OWNER, "POST", "/prices", body)
    assert made == {
        "version": 1,
        "currency": "EUR",
        "effective_at": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
        "prices": [PRICE],
    }
    assert await ask(auth, MEMBER, "GET", "/prices") == made
    assert await ask(auth, MEMBER, "GET", "/prices", version="1") == made
