"""Callers who load a stack over HTTPS without pause, and keep what became of every call."""

import asyncio
import itertools
import json
import random
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx
from anyio.from_thread import start_blocking_portal
from tests.stack.completions import CHAT, DONE, PATIENCE_SECONDS, event_of

from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack

HUNG = "hung"
PROXY_ERROR = "proxy_error"
"""The code of Envoy's own answers, whose ids no service of ours has seen."""


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and how it is asked; the cache may answer a deterministic one."""

    prompt: str
    streamed: bool = False
    deterministic: bool = False
    max_tokens: int | None = None

    def body(self) -> dict[str, object]:
        asked = [{"role": "user", "content": self.prompt}]
        body: dict[str, object] = {"model": MODEL_ID, "messages": asked, "stream": self.streamed}
        return {
            **body,
            "temperature": 0 if self.deterministic else None,
            "max_tokens": self.max_tokens,
        }


@dataclass(slots=True)
class Answer:
    """What became of one call; the callers are done with it before anybody else sees it."""

    prompt: str
    streamed: bool
    sent_at: float
    """`time.monotonic()`."""
    status: int = 0
    """0 when no status line came."""
    request_id: str = ""
    """The gateway's; empty when the answer, or its want, is somebody else's."""
    retry_after: str = ""
    cache: str = ""
    """What became of the lookup: `hit`, `miss` or `bypass`."""
    text: str = ""
    code: str = ""
    """Of the error, in the body or in a stream's event."""
    complete: bool = False
    """The whole body came; a stream's ends with `data: [DONE]`."""
    broken: str = ""
    """Why the connection ended early, or `HUNG`."""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """A whole answer without an error; whether it is the right one is told by `wrong`."""
        return self.status == 200 and self.complete and not self.code

    @property
    def wrong(self) -> bool:
        """Holds anything else than what the echo engine says to this prompt."""
        return self.text != self.prompt if self.good else not self.prompt.startswith(self.text)

    @property
    def ended_at(self) -> float:
        return self.sent_at + self.seconds


@dataclass(frozen=True, slots=True)
class Script:
    """What every caller asks, one question after the other; no two prompts share a word."""

    shortest: int = 5
    """Words of a prompt, and so tokens of its answer."""
    longest: int = 60
    salt: str = field(default_factory=lambda: secrets.token_hex(4))

    def questions(self, caller: int) -> Iterator[Question]:
        """Plain and streamed, each drawn, deterministic, and the latter once more for a hit."""
        for turn in itertools.count():
            drawn, fixed = (self._prompt(f"{self.salt}-{caller}-{turn}-{kind}") for kind in "df")
            for streamed in (False, True):
                yield Question(f"{drawn} {streamed}", streamed)
                yield Question(f"{fixed} {streamed}", streamed, deterministic=True)
                yield Question(f"{fixed} {streamed}", streamed, deterministic=True)

    def _prompt(self, name: str) -> str:
        length = random.randint(self.shortest, self.longest) - 1
        return " ".join(f"{name}-{word}" for word in range(length))


@contextmanager
def calling(
    stack: Stack, *, concurrency: int = 12, script: Script | None = None
) -> Iterator[list[Answer]]:
    """Ask and ask again, from a thread of its own, for the length of the block.

    The list grows as calls end; after the block it holds all of them, for those that are in flight
    at its end are let end.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            _callers(stack, concurrency, script or Script())
        ) as answers,
    ):
        yield answers


@asynccontextmanager
async def client_of(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTPS client that trusts the stack and holds its API key; it retries nothing."""
    async with httpx.AsyncClient(
        base_url=stack.access.url,
        verify=ssl.create_default_context(cafile=stack.access.ca_file),
        headers={"authorization": f"Bearer {stack.access.api_key}"},
        timeout=None,
        limits=httpx.Limits(max_connections=None),
        trust_env=False,
    ) as client:
        yield client


async def ask(
    client: httpx.AsyncClient, question: Question, patience_seconds: float = PATIENCE_SECONDS
) -> Answer:
    """Ask once; never raises because of what the stack does."""
    answer = Answer(question.prompt, question.streamed, time.monotonic())
    request = client.build_request("POST", CHAT, json=question.body())
    return await send(client, request, answer, patience_seconds)


async def send(
    client: httpx.AsyncClient,
    request: httpx.Request,
    answer: Answer,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Answer:
    """Returns the answer, filled with what became of the request; see `ask`."""
    try:
        async with asyncio.timeout(patience_seconds):
            await _receive(client, request, answer)
    except TimeoutError:
        answer.broken = HUNG
    except httpx.HTTPError as error:
        answer.broken = type(error).__name__
    answer.seconds = time.monotonic() - answer.sent_at
    return answer


@asynccontextmanager
async def _callers(stack: Stack, concurrency: int, script: Script) -> AsyncIterator[list[Answer]]:
    answers: list[Answer] = []
    stopping = asyncio.Event()
    async with client_of(stack) as client, asyncio.TaskGroup() as group:
        for caller in range(concurrency):
            group.create_task(_ask_on(client, script.questions(caller), answers, stopping))
        try:
            yield answers
        finally:
            stopping.set()


async def _ask_on(
    client: httpx.AsyncClient,
    questions: Iterator[Question],
    answers: list[Answer],
    stopping: asyncio.Event,
) -> None:
    while not stopping.is_set():
        answer = await ask(client, next(questions))
        answers.append(answer)
        if not answer.good:
            await asyncio.sleep(0.02)  # a refusal takes so little time that the refused would spin


async def _receive(client: httpx.AsyncClient, request: httpx.Request, answer: Answer) -> None:
    async with aclosing(await client.send(request, stream=True)) as response:
        answer.status = response.status_code
        answer.request_id = response.headers.get("x-request-id", "")
        answer.retry_after = response.headers.get("retry-after", "")
        answer.cache = response.headers.get("x-headrace-cache", "")
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            async for line in response.aiter_lines():
                _read_event(event_of(line), answer)
        else:
            _read_body(json.loads(await response.aread()), answer)


def _read_body(body: dict[str, object], answer: Answer) -> None:
    match body:
        case {"error": {"code": str(code)}}:
            answer.code = code
            if code == PROXY_ERROR:
                answer.request_id = ""
        case {"choices": [{"message": {"content": str(text)}}]}:
            answer.text = text
    answer.complete = True


def _read_event(event: object, answer: Answer) -> None:
    answer.complete = answer.complete or event == DONE
    match event:
        case {"error": {"code": str(code)}}:
            answer.code = code
        case {"choices": [{"delta": {"content": str(text)}}]}:
            answer.text += text
