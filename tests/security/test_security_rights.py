"""Every route of the native API times every role, in the platform's organisation and in another."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.api.scenario import played
from tests.security.world import World

from headrace_auth.domain.directory import Membership
from headrace_auth.domain.principal import Role
from headrace_auth.domain.rights import OPEN_TO_ALL_ORGANIZATIONS, RULES, Action, Reach
from headrace_auth.testing.directory import ACME, CREATED_AT, GLOBEX, HOMELESS
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts.tables import TABLES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = [route for routes in TABLES.values() for route in routes if not route.open]
NOBODYS_ID = "01900000-0000-7000-8000-00000000dead"
Bodies = dict[tuple[str, str], tuple[Any, Any]]
"""Body and query of each route, by method and path."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene() -> AsyncIterator[tuple[World, Bodies]]:
    """One world for all cells, and a body that each route takes."""
    async with played() as recorder:
        yield recorder.world, recorder.bodies


def _denied(route: AccountRoute, role: Role, *, in_platform: bool) -> bool:
    action = Action(route.call.partition("/")[2])
    reach = RULES[action].reach(role)
    outside = not in_platform and action not in OPEN_TO_ALL_ORGANIZATIONS
    return reach is None or (reach is Reach.PLATFORM and outside)


@pytest.mark.parametrize("organization_id", [ACME, GLOBEX], ids=["platform", "another"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_cell(
    scene: tuple[World, Bodies], route: AccountRoute, role: Role, organization_id: str
) -> None:
    world, bodies = scene
    store = world.auth.store
    before = {kind: dict(rows) for kind, rows in store.rows.items()}
    member = Membership(HOMELESS.user_id, organization_id, role, CREATED_AT)
    store.rows[Membership][HOMELESS.user_id, organization_id] = member
    try:
        token = await world.token(HOMELESS.email)
        path = re.sub(r"{[^}]+}", NOBODYS_ID, route.path)
        body, query = bodies[route.method, route.path]
        response = await world.ask(token, route.method, path, json=body, params=query)
    finally:
        store.rows.clear()
        store.rows.update(before)
    denied = _denied(route, role, in_platform=organization_id == ACME)
    message = response.json().get("error", {}).get("message", "")
    action = Action(route.call.partition("/")[2])
    assert (message == f"This credential may not {action.in_words}.") is denied, response.text
    assert response.status_code == 403 if denied else response.status_code not in (401, 500)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_may_do_anything_that_is_not_open(
    scene: tuple[World, Bodies], route: AccountRoute
) -> None:
    world, bodies = scene
    body, query = bodies[route.method, route.path]
    for headers in ({}, {"authorization": "Bearer hr_unknown"}):
        response = await world.client.request(
            route.method, route.path, headers=headers, json=body, params=query
        )
        assert response.status_code == 401
