"""One completion over HTTPS on a connection of its own, whose caller can watch it and hang up."""

import asyncio
import json
import ssl
import time
from typing import Any

import httpx
from tests.stack.completions import CHAT, DONE, PATIENCE_SECONDS, event_of

from headrace_local.components import MODEL_ID
from headrace_local.stack import Stack


class Call:
    """Sent at once; `async with` hangs up at its end, if nobody did before.

    It asks for logprobs, for only they tell a caller how many tokens a piece of text stands for.
    """

    def __init__(self, stack: Stack, trust: ssl.SSLContext, content: str, **body: Any) -> None:
        self.arrivals: list[float] = []
        """When text came, in seconds of `time.monotonic`."""
        self.text = ""
        self.tokens: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        self.headers = httpx.Headers()
        self.status = 0
        self.finish_reason = ""
        self.done = False
        """The answer came to its end: `[DONE]`, or the whole body."""
        self._news = asyncio.Event()
        asked = {"model": MODEL_ID, "messages": [{"role": "user", "content": content}], **body}
        self._task = asyncio.create_task(self._receive(stack, trust, {"logprobs": True, **asked}))
        self._task.add_done_callback(lambda _: self._news.set())

    async def __aenter__(self) -> "Call":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    async def hang_up(self) -> float:
        """Close the connection, whatever state it is in; returns when it was closed.

        Raises what went wrong before.
        """
        self._task.cancel()
        await asyncio.wait([self._task])
        closed = time.monotonic()
        if not self._task.cancelled():
            await self._task
        return closed

    async def end(self) -> None:
        """Wait for the whole answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._task

    async def more(self, pieces: int) -> None:
        """Wait until so many more pieces of text have come."""
        wanted = len(self.arrivals) + pieces
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.arrivals) < wanted:
                await self._progress()

    async def finish(self) -> None:
        """Wait for the stream's finish reason, behind which only `[DONE]` is left."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.finish_reason:
                await self._progress()

    async def _progress(self) -> None:
        if self._task.done():
            raise AssertionError(f"the answer ended early: {self.status} {self.text!r}")
        self._news.clear()
        await self._news.wait()

    async def _receive(self, stack: Stack, trust: ssl.SSLContext, body: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {stack.access.api_key}"}
        async with (
            httpx.AsyncClient(
                base_url=stack.access.url, verify=trust, timeout=PATIENCE_SECONDS, trust_env=False
            ) as client,
            client.stream("POST", CHAT, json=body, headers=headers) as response,
        ):
            self.status, self.headers = response.status_code, response.headers
            if response.headers["content-type"].startswith("text/event-stream"):
                async for line in response.aiter_lines():
                    self._read(event_of(line))
                    self._news.set()
            else:
                self._read(json.loads(await response.aread()))
                self._read(DONE)

    def _read(self, message: Any) -> None:
        if message == DONE:
            self.done = True
        elif message:
            assert "error" not in message, message
            self.ids.add(message["id"])
            for choice in message["choices"]:
                self._read_choice(choice)

    def _read_choice(self, choice: dict[str, Any]) -> None:
        said = choice.get("message") or choice["delta"]
        if said.get("content"):
            self.text += said["content"]
            self.arrivals.append(time.monotonic())
        self.tokens += (choice["logprobs"] or {}).get("content", ())
        self.finish_reason = choice["finish_reason"] or ""
