"""Streams one answer through the public door and shows its tokens as they arrive."""

import json
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from headrace_local.access import Access
from headrace_local.errors import LocalStackError

QUESTION = "Why is the sky blue?"
REQUEST = {"max_tokens": 128, "temperature": 0.7, "stream": True}
# Also the longest wait for the next token.
DEADLINE_SECONDS = 60.0


async def stream_answer(console: Console, access: Access) -> None:
    """Ask, print the answer piece by piece, and say how fast it came.

    Raises:
        LocalStackError: the stack refused the question or broke off.
    """
    console.print(Text(f"\n> {QUESTION}\n", style="bold"))
    begin = time.monotonic()
    arrivals = []
    try:
        async for text in _pieces(access):
            arrivals.append(time.monotonic() - begin)
            console.print(Text(text), end="", soft_wrap=True)
    except httpx.HTTPError as error:
        raise LocalStackError(
            f"The stack did not answer: {str(error) or type(error).__name__}"
        ) from error
    if not arrivals:
        raise LocalStackError("The answer was empty; see `make logs SERVICE=inference`.")
    summary = (
        f"{len(arrivals)} pieces in {arrivals[-1]:.1f} s, the first after {arrivals[0]:.2f} s."
    )
    console.print(Text(f"\n\n{summary}", style="dim"))


async def _pieces(access: Access) -> AsyncIterator[str]:
    # Sampled, so that it is never answered from the cache.
    request = {
        **REQUEST,
        "model": access.model,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    async with (
        httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=access.ca_file),
            headers={"Authorization": f"Bearer {access.api_key}"},
            timeout=DEADLINE_SECONDS,
            trust_env=False,
        ) as client,
        client.stream("POST", f"{access.url}/v1/chat/completions", json=request) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: {") and (text := _text(json.loads(line[6:]))):
                yield text


def _text(chunk: dict[str, Any]) -> str:
    if "error" in chunk:
        raise LocalStackError(f"The stack broke off its answer: {chunk['error']['message']}")
    return "".join(
        choice["delta"].get("content") or ("..." if choice["finish_reason"] == "length" else "")
        for choice in chunk["choices"]
    )
