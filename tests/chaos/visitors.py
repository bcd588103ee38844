"""One caller of each kind, to be sent at a stack of which a part hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from tests.chaos.callers import Answer, Question, ask, client_of, send
from tests.stack.completions import PATIENCE_SECONDS

from headrace_local.stack import Stack

KEYS = "/api/v1/keys"
LOGIN = "/api/v1/auth/login"
FIXED = Question("what the cache knows", deterministic=True)


@dataclass(frozen=True, slots=True)
class Visitors:
    """Holders of a known key and of keys that nobody has seen yet, and an administrator."""

    stack: Stack
    token: str
    """The administrator's, known to the gateway."""
    unseen_keys: list[str]
    revocable_ids: list[str]

    async def visit(self, word: str) -> dict[str, Answer]:
        """One call of each kind at the same time; `word` begins every prompt."""
        known, stranger = self.stack.access.api_key, self.unseen_keys.pop
        credentials = {"email": self.stack.access.email, "password": self.stack.access.password}
        revocable = f"{KEYS}/{self.revocable_ids.pop()}"
        calls = {
            "plain": self.ask(known, Question(f"{word} plain")),
            "stream": self.ask(known, Question(f"{word} stream", streamed=True)),
            "cached": self.ask(known, FIXED),
            "new plain": self.ask(stranger(), Question(f"{word} new plain")),
            "new stream": self.ask(stranger(), Question(f"{word} new stream", streamed=True)),
            "login": self._call(known, "POST", LOGIN, credentials),
            "list keys": self._call(self.token, "GET", KEYS),
            "create key": self._call(self.token, "POST", KEYS, {"name": word}),
            "revoke key": self._call(self.token, "DELETE", revocable),
        }
        return dict(zip(calls, await asyncio.gather(*calls.values()), strict=True))

    async def ask(self, key: str, question: Question) -> Answer:
        async with _client(self.stack, key) as client:
            return await ask(client, question)

    async def _call(
        self, credential: str, method: str, path: str, body: dict[str, str] | None = None
    ) -> Answer:
        answer = Answer(path, False, time.monotonic())
        async with _client(self.stack, credential) as client:
            return await send(client, client.build_request(method, path, json=body), answer)


async def arrive(stack: Stack, visits: int) -> Visitors:
    """Prepare what so many visits need: a login, keys, and an answer in the cache."""
    async with client_of(stack) as client:
        form = {"email": stack.access.email, "password": stack.access.password}
        token = (await client.post(LOGIN, json=form)).raise_for_status().json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        made = [
            (await client.post(KEYS, json={"name": "unseen"}, headers=headers)).raise_for_status()
            for _ in range(3 * visits)
        ]
    keys = [response.json() for response in made]
    visitors = Visitors(
        stack,
        token,
        unseen_keys=[key["secret"] for key in keys[visits:]],
        revocable_ids=[key["id"] for key in keys[:visits]],
    )
    assert (await visitors.ask(stack.access.api_key, FIXED)).good
    return visitors


async def begin(stack: Stack, question: Question) -> asyncio.Task[Answer]:
    """Ask; returns as soon as the status line is there."""
    begun = asyncio.Event()

    async def note(_: httpx.Response) -> None:
        begun.set()

    async def run() -> Answer:
        async with client_of(stack) as client:
            client.event_hooks = {"response": [note]}
            return await ask(client, question)

    asking = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
    return asking


@asynccontextmanager
async def _client(stack: Stack, credential: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(stack) as client:
        client.headers["authorization"] = f"Bearer {credential}"
        client.event_hooks = {"response": [_require_our_error_body]}
        yield client


async def _require_our_error_body(response: httpx.Response) -> None:
    if response.is_error:
        await response.aread()
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code", "request_id"}
        assert error["message"]
        assert error["request_id"] == response.headers["x-request-id"]
