"""Who may see how the gateway decides: owners and admins, and keys to which they gave it."""

import json

import pytest
from tests.security.world import World

from headrace_auth.testing.directory import ADMIN, AUDITOR, MEMBER, OWNER, Person
from headrace_gateway.domain.trace import TRACE_HEADER

ASKING = {TRACE_HEADER: "1"}


@pytest.mark.parametrize(
    ("user", "may"), [(OWNER, True), (ADMIN, True), (MEMBER, False), (AUDITOR, False)]
)
async def test_people_by_their_role(world: World, user: Person, may: bool) -> None:
    token = await world.token(user.email)
    answer = await world.ask(token, headers=ASKING)
    assert (answer.status_code, TRACE_HEADER in answer.headers) == (200 if may else 403, may)
    assert (await world.ask(token)).status_code == 200


async def test_a_key_needs_to_be_given_it(world: World) -> None:
    token = await world.token(ADMIN.email)
    for scopes, status in ((["models:read"], 403), (["models:read", "llm:trace"], 200)):
        body = {"name": "trace", "scopes": scopes}
        key = (await world.ask(token, "POST", "/api/v1/keys", json=body)).json()["secret"]
        answer = await world.ask(key, headers=ASKING)
        assert answer.status_code == status
    told = json.loads(answer.headers[TRACE_HEADER])
    assert key not in answer.headers[TRACE_HEADER]
    assert told["stages"][0]["stage"] == "identify"


async def test_nobody_gives_what_they_have_not(world: World) -> None:
    token = await world.token(MEMBER.email)
    body = {"name": "trace", "scopes": ["models:read", "llm:trace"]}
    answer = await world.ask(token, "POST", "/api/v1/keys", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert "llm:trace" in answer.json()["error"]["message"]
