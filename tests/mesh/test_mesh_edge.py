"""What the public meets: credentials pass the edge as they are, whatever they are."""

import httpx
from tests.chaos.callers import Question, ask, client_of
from tests.mesh.world import World

LOGIN = "/api/v1/auth/login"


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


async def test_what_is_no_credential_is_refused_by_the_gateway(world: World) -> None:
    async with client_of(world.stack) as client:
        client.headers["authorization"] = "Bearer no-credential"
        answer = await ask(client, Question("one two three"))
    assert (answer.status, answer.code) == (401, "credential_invalid")


async def test_plain_http_is_sent_to_https(world: World) -> None:
    port = world.layout.ingress[80]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://localhost:{port}/v1/models")
    assert answer.status_code == 301
    assert answer.headers["location"].startswith("https://localhost")
