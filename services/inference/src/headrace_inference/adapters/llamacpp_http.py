"""llama.cpp's own HTTP routes for what the library offers no function: templates and tokens."""

from typing import Any

import httpx

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.requests import Message, Prompt

TIMEOUT_SECONDS = 10.0

HTTP_THREADS = 4
"""What the listener must have: a kept-alive connection occupies one of its threads."""

LIMITS = httpx.Limits(max_connections=2, keepalive_expiry=1.0)
"""Fewer connections than threads, let go before the listener closes them after 5 s."""


class LlamaCppHttp:
    """Speaks over a Unix socket in a private directory; the listener takes no network port.

    These routes run on llama.cpp's HTTP threads and need no slot, so they answer while it decodes.
    """

    def __init__(self, socket_path: str) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=socket_path, limits=LIMITS),
            base_url="http://llamacpp",
            timeout=TIMEOUT_SECONDS,
        )

    async def vocabulary_size(self) -> int:
        """How many token ids there are."""
        models = await self._call("GET", "/v1/models")
        return int(models["data"][0]["meta"]["n_vocab"])

    async def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids; a conversation is rendered first, and ends where the answer begins."""
        text = prompt if isinstance(prompt, str) else await self._render(prompt)
        body = {"content": text, "add_special": True, "parse_special": True}
        answer = await self._call("POST", "/tokenize", body)
        return tuple(answer["tokens"])

    async def _render(self, turns: tuple[Message, ...]) -> str:
        messages = [
            # chat templates of open models know no developer; OpenAI treats the two alike
            {"role": "system" if turn.role == "developer" else turn.role, "content": turn.content}
            for turn in turns
        ]
        answer = await self._call("POST", "/apply-template", {"messages": messages})
        return str(answer["prompt"])

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = await self._client.request(method, path, json=body)
            response.raise_for_status()
            return response.json()
        except httpx.PoolTimeout as error:
            raise HeadraceError(
                Reason.QUEUE_FULL, "too many prompts wait to be read", retry_after_seconds=1
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise HeadraceError(
                Reason.ENGINE_FAILED, "the engine could not read the prompt"
            ) from error

    async def close(self) -> None:
        await self._client.aclose()
