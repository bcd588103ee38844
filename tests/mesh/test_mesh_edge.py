"""What the public meets: credentials pass the edge as they are, and floods without one do not."""

import asyncio
import base64
import json
import ssl
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.chaos.callers import Question, ask, client_of
from tests.mesh.lives import back, restarts, until
from tests.mesh.second_mesh import second_mesh
from tests.mesh.world import World

from headrace_local.testing import terminate

AUTH = "headrace-auth-0"
LOGIN = "/api/v1/auth/login"
ROTATE = "/api/v1/signing-keys/rotate"
LIVENESS = "/api/v1/health/liveness"


async def log_in(world: World) -> str:
    """An access token of the owner."""
    form = {"email": world.stack.access.email, "password": world.stack.access.password}
    async with client_of(world.stack) as client:
        answer = await client.post(LOGIN, json=form)
    return str(answer.raise_for_status().json()["access_token"])


async def is_answered(world: World, credential: str) -> bool:
    async with client_of(world.stack) as client:
        client.headers["authorization"] = f"Bearer {credential}"
        return (await ask(client, Question(f"one two {credential[-8:]}"))).good


async def test_an_api_key_passes_the_edge(world: World) -> None:
    assert await is_answered(world, world.stack.access.api_key)


async def test_an_access_token_passes_the_edge(world: World) -> None:
    assert await is_answered(world, await log_in(world))


@pytest.mark.slow
async def test_an_access_token_of_a_new_signing_key_passes_the_edge(world: World) -> None:
    old = await log_in(world)
    async with client_of(world.stack) as client:
        client.headers["authorization"] = f"Bearer {old}"
        made = (await client.post(ROTATE, json={})).raise_for_status().json()
    await _let_it_sign_at_once(world, made["kid"])
    new = await log_in(world)
    assert _key_of(new) == made["kid"] != _key_of(old)

    async def is_known() -> bool:
        """The gateway looks for a key that it does not know, which it has had an hour to, else."""
        return await is_answered(world, new)

    await until(is_known, seconds=5)
    assert await is_answered(world, old)


async def _let_it_sign_at_once(world: World, kid: str) -> None:
    """As if its lead of an hour had passed, and replicas of `auth` had looked meanwhile."""
    sockets = world.stack.plan.runtime / "postgres"
    database = await asyncpg.connect(host=str(sockets), user="headrace", database="headrace")
    try:
        update = "UPDATE auth.signing_keys SET activates_at = now() WHERE kid = $1"
        assert await database.execute(update, kid) == "UPDATE 1"
    finally:
        await database.close()
    before = restarts(world, AUTH)
    terminate(world.stack, AUTH)
    await back(world, AUTH, before)


def _key_of(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])


async def test_what_is_no_credential_is_refused_by_the_gateway_itself(world: World) -> None:
    async with client_of(world.stack) as client:
        client.headers["authorization"] = "Bearer no-credential"
        answer = await ask(client, Question("one two three"))
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert answer.request_id


async def test_plain_http_is_sent_to_https(world: World) -> None:
    port = world.layout.ingress[80]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://localhost:{port}/v1/models")
    assert answer.status_code == 301
    assert answer.headers["location"].startswith("https://localhost")


async def test_a_flood_without_a_credential_is_limited_at_the_edge_and_others_pass(
    world: World, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=world.stack.access.ca_file)
    async with second_mesh(world, world.objects, tmp_path) as mesh:
        url = f"https://localhost:{mesh.ingress[443]}{LIVENESS}"
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            flood = await asyncio.gather(*(client.get(url) for _ in range(120)))
            key = {"authorization": f"Bearer {world.stack.access.api_key}"}
            passed = [await client.get(url, headers=key) for _ in range(10)]
    statuses = [answer.status_code for answer in flood]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 60
    assert {answer.headers.get("retry-after") for answer in flood if answer.is_error} == {"1"}
    assert {answer.status_code for answer in passed} == {200}
