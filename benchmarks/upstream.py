"""The canned model server: a bare ASGI application that echoes the last message."""

from collections.abc import Iterator
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

CREATED = 1_790_000_000
JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """`POST` of a chat completion to any path; streams one word per chunk."""
    if scope["type"] != "http":
        return
    wanted = orjson.loads(await _body(receive))
    text = wanted["messages"][-1]["content"]
    if wanted.get("stream"):
        await _start(send, EVENTS)
        for chunk in chunks(wanted["model"], text):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})
    else:
        content = whole(wanted["model"], text)
        await _start(send, JSON, (b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.body", "body": content})


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _start(send: Send, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def whole(model: str, text: str) -> bytes:
    """The echo as one document."""
    words = len(text.split())
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words}
    return orjson.dumps({**_envelope(model, "chat.completion", choice), "usage": usage})


def chunks(model: str, text: str) -> Iterator[bytes]:
    """The echo as server-sent events, without the last one, `[DONE]`."""
    yield _chunk(model, {"role": "assistant", "content": ""})
    for index, word in enumerate(text.split(" ")):
        yield _chunk(model, {"content": f" {word}" if index else word})
    yield _chunk(model, {}, "stop")


def _chunk(model: str, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return b"data: " + orjson.dumps(_envelope(model, "chat.completion.chunk", choice)) + b"\n\n"


def _envelope(model: str, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-canned",
        "object": kind,
        "created": CREATED,
        "model": model,
        "choices": [choice],
    }
