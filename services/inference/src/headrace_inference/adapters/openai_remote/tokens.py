"""Asks a remote server for a prompt's tokens, where it can tell them."""

from typing import Any, Protocol

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.openai_remote.errors import failed
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.adapters.openai_remote.request import chat_messages, chat_tools
from headrace_inference.domain.requests import Prompt, Tool


class Post(Protocol):
    """RemoteHttp.post."""

    async def __call__(self, url: str, body: Any) -> Any: ...


async def remote_tokens(
    post: Post, options: RemoteOptions, prompt: Prompt, tools: tuple[Tool, ...]
) -> tuple[int, ...]:
    """Token ids as the remote will read them; raises UNSUPPORTED_PARAMETER if it cannot tell."""
    if options.kind is RemoteKind.OPENAI:
        message = "model: this one's server does not tell tokens"
        raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, message, param="model")
    chat: dict[str, Any] = {}
    if not isinstance(prompt, str):
        chat["messages"] = chat_messages(prompt)
        if tools:
            chat["tools"] = chat_tools(tools)
    tokenize = f"{options.root}/tokenize"
    try:
        if options.kind is RemoteKind.VLLM:
            body = chat or {"prompt": prompt}
            return _ids(await post(tokenize, {"model": options.model, **body}))
        if chat:
            prompt = (await post(f"{options.root}/apply-template", chat))["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True}
        return _ids(await post(tokenize, body))
    except (TypeError, LookupError, ValueError) as error:
        raise failed("does not tell tokens as its kind does (REMOTE_KIND)") from error


def _ids(answer: Any) -> tuple[int, ...]:
    return tuple(int(token) for token in answer["tokens"])
