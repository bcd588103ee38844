"""Callers that leave at any moment: nothing stays behind, and the next caller is answered."""

import asyncio
import random
import ssl

import httpx
import openai

from headrace_local.access import Access
from headrace_local.components import MODEL_ID

ROUNDS = 60


async def _ask_and_leave(client: httpx.AsyncClient, seconds: float) -> None:
    body = {
        "model": MODEL_ID,
        "messages": [{"role": "user", "content": "Write a very long story about a river."}],
        "stream": True,
        "n": random.choice((1, 2)),
        "max_tokens": 1500,
    }
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream("POST", "/v1/chat/completions", json=body) as answer,
        ):
            async for _ in answer.aiter_lines():
                continue
    except TimeoutError:
        return


async def _leave_often(stack: Access, trust: ssl.SSLContext) -> None:
    headers = {"authorization": f"Bearer {stack.api_key}"}
    async with httpx.AsyncClient(
        base_url=stack.url, verify=trust, headers=headers, timeout=60, trust_env=False
    ) as client:
        for _ in range(ROUNDS // 15):
            await asyncio.gather(
                *(_ask_and_leave(client, random.uniform(0.005, 0.3)) for _ in range(15))
            )


def test_after_many_hang_ups_the_next_caller_is_answered_at_once(
    stack: Access, trust: ssl.SSLContext, client: openai.OpenAI
) -> None:
    asyncio.run(_leave_often(stack, trust))
    answer = client.with_options(timeout=20).chat.completions.create(
        model=MODEL_ID,
        messages=[{"role": "user", "content": "Why is the sky blue?"}],
        max_tokens=8,
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
