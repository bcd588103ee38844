"""llama.cpp's own HTTP routes for what the library has no function: templates, tokens, chunks."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from headrace_common.errors import HeadraceError, Reason

TIMEOUT_SECONDS = 10.0

HTTP_THREADS = 4
"""What the listener must have: a kept-alive connection occupies one of its threads."""

CONNECTIONS = 2
"""For short calls; with one more for a chunk of a prompt they are fewer than threads. Let go before
the listener closes them after 5 s."""

TEMPLATE_PATH = "/apply-template"
READING_FIELDS = ("id_slot", "cache_prompt", "lora")
"""What of a completion's body decides where, and with which adapter, its prompt is read."""
RETRY_SECONDS = 0.5
CHECK_SECONDS = 5.0


class LlamaCppHttp:
    """Speaks over a Unix socket in a private directory; the listener takes no network port.

    All routes but that of `read` run on llama.cpp's HTTP threads alone and need no slot, so they
    answer while it decodes. Each of their calls is a task of its own that a cancelled caller leaves
    running, for the thread does not learn of it: who hangs up again and again would have all of
    them busy. `read` is its caller's to keep running.
    """

    def __init__(self, socket_path: str) -> None:
        limits = httpx2.Limits(max_connections=CONNECTIONS + 1, keepalive_expiry=1.0)
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=socket_path, limits=limits),
            base_url="http://llamacpp",
        )
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._answered = asyncio.Event()
        self._calls: set[asyncio.Task[Any]] = set()

    async def vocabulary_size(self) -> int:
        """How many token ids there are."""
        models = await self._call("GET", "/v1/models")
        return int(models["data"][0]["meta"]["n_vocab"])

    async def tokens(
        self, text: str | Sequence[str], *, add_special: bool, parse_special: bool
    ) -> tuple[int, ...]:
        """Token ids; `parse_special` reads the names of control tokens as these tokens.

        Of several texts each is read by itself, and their ids are put together.
        """
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        answer = await self._call("POST", "/tokenize", body)
        return tuple(answer["tokens"])

    async def knows_tools(self) -> bool:
        """Whether the model's chat template has a place for tools and their calls."""
        able = (await self._call("GET", "/props"))["chat_template_caps"]
        return bool(able["supports_tools"] and able["supports_tool_calls"])

    async def render(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]
    ) -> str:
        """A conversation, in OpenAI's shapes, under the model's chat template.

        Raises INVALID_FIELD for one that the template refuses.
        """
        body = {"messages": messages, "tools": tools}
        answer = await self._call("POST", TEMPLATE_PATH, body)
        if "prompt" not in answer:
            param = "tools" if tools else "messages"
            message = f"{param}: this model's chat template cannot take them"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param)
        return str(answer["prompt"])

    async def read(self, tokens: tuple[int, ...], body: Mapping[str, Any]) -> int:
        """Have a slot read the beginning of a completion's prompt; returns which one it is.

        It ends with the chunk, whoever leaves; the caller has one read at a time, and a deadline.
        """
        chunk = {name: body[name] for name in READING_FIELDS if name in body}
        chunk |= {"prompt": list(tokens), "n_predict": 0, "response_fields": ["id_slot"]}
        answer = await self._request("POST", "/completion", chunk, timeout=None)
        return int(answer["id_slot"])

    async def until_mute(self, seconds: float) -> None:
        """Return when the listener has answered nothing, to nobody, for so long."""
        while await self.answers(seconds):  # noqa: ASYNC110 - the pause between two questions
            await asyncio.sleep(CHECK_SECONDS)

    async def answers(self, seconds: float) -> bool:
        """Whether the listener answers anything, to whomever, within this time."""
        self._answered.clear()
        try:
            async with asyncio.timeout(seconds):
                while not self._answered.is_set():
                    try:
                        await self.vocabulary_size()
                    except HeadraceError:  # a busy one may have no place for this call
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            return self._answered.is_set()
        return True

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._places.acquire()
        except TimeoutError as error:
            raise HeadraceError(
                Reason.QUEUE_FULL, "too many prompts wait to be read", retry_after_seconds=1
            ) from error
        call = asyncio.create_task(self._request(method, path, body))
        self._calls.add(call)
        call.add_done_callback(self._forget)
        return await asyncio.shield(call)

    async def _request(
        self, method: str, path: str, body: Any, timeout: float | None = TIMEOUT_SECONDS
    ) -> Any:
        try:
            response = await self._client.request(method, path, json=body, timeout=timeout)
            if path != TEMPLATE_PATH:  # whose failures are those of the conversation
                response.raise_for_status()
            self._answered.set()
            return response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise HeadraceError(
                Reason.ENGINE_FAILED, "the engine could not read the prompt"
            ) from error

    def _forget(self, call: asyncio.Task[Any]) -> None:
        self._places.release()
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # who waited for it has been told, or has left

    async def close(self) -> None:
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=TIMEOUT_SECONDS)
        await self._client.aclose()
