"""A remote server that speaks OpenAI's API, as an engine: the way to many GPUs."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger
from headrace_inference.adapters.openai_remote.chunks import MALFORMED, ChunkTranslator
from headrace_inference.adapters.openai_remote.errors import failed, not_serving
from headrace_inference.adapters.openai_remote.http import RemoteHttp
from headrace_inference.adapters.openai_remote.options import RemoteOptions
from headrace_inference.adapters.openai_remote.request import generation_body
from headrace_inference.adapters.openai_remote.tokens import remote_tokens
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.events import Accepted, EngineEvent
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    Tool,
)

RETRY_SECONDS = 1.0


class OpenAiRemoteEngine:
    """An Engine over a server that runs elsewhere.

    That server being away is a matter of readiness (`health`), not of this process's life.
    """

    def __init__(self, options: RemoteOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._http = RemoteHttp(options, clock)
        self._info: EngineInfo | None = None

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise HeadraceError(Reason.NOT_SERVING, "the remote has not answered yet")
        return self._info

    async def start(self) -> None:
        """Wait until the remote answers, and find out by a token that it would go on to."""
        options = self._options
        try:
            async with asyncio.timeout(options.start_seconds):
                entry = await self._until_there()
        except TimeoutError as error:
            raise failed(f"did not answer in {options.start_seconds:g} s") from error
        self._info = EngineInfo(
            engine="openai",
            digest=options.digest_of(entry),
            context_tokens=options.context_tokens,
            slots=options.slots,
            loaded_at=self._clock.now(),
            capabilities=options.capabilities,
        )

    async def tokenize(self, prompt: Prompt, tools: tuple[Tool, ...] = ()) -> tuple[int, ...]:
        return await remote_tokens(self._http.post, self._options, prompt, tools)

    async def check(self, request: GenerationRequest) -> None:
        self._body(request, None)

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        path, body = self._body(request, _told_maximum(request, prompt_tokens, max_tokens))
        translator = ChunkTranslator(request.sampling, max_tokens)
        async with self._http.stream(self._options.url + path, body) as chunks:
            yield Accepted()
            async for chunk in chunks:
                for event in translator.feed(chunk):
                    yield event
                if translator.stopped:
                    break
            for event in translator.end():
                yield event

    async def embed(
        self,
        request: EmbeddingRequest,
        prompt_tokens: tuple[tuple[int, ...], ...],  # noqa: ARG002 - the remote reads the texts
    ) -> Sequence[Sequence[float]]:
        body = {
            "model": self._options.model,
            "input": list(request.texts),
            "encoding_format": "float",
        }
        answer = await self._http.post_from_slot(f"{self._options.url}/embeddings", body)
        try:
            entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
            vectors = [_unit(entry["embedding"]) for entry in entries]
        except (*MALFORMED, ZeroDivisionError) as error:
            raise failed("sends no embeddings") from error
        sizes = {len(vector) for vector in vectors}
        if len(vectors) != len(request.texts) or sizes != {self._options.embedding_dimensions}:
            raise failed(f"sends {len(vectors)} embeddings of {sorted(sizes)} numbers")
        return vectors

    async def health(self) -> None:
        options = self._options
        status = await self._http.status(options.root + options.health_path)
        if status == HTTPStatus.NOT_FOUND:  # not every server has one
            status = await self._http.status(f"{options.url}/models")
        if status != HTTPStatus.OK:
            raise not_serving(f"the model's server is not well ({status})")

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._info = None
        await self._http.close()

    def _body(
        self, request: GenerationRequest, max_tokens: int | None
    ) -> tuple[str, dict[str, Any]]:
        return generation_body(request, max_tokens, self._options)

    async def _until_there(self) -> dict[str, Any]:
        waiting = False
        while True:
            try:
                return await self._first_answer()
            except HeadraceError as error:
                if error.reason not in (Reason.NOT_SERVING, Reason.QUEUE_FULL):
                    raise
                if not waiting:
                    waiting = True
                    get_logger().info("waiting", component="remote", code=error.reason.value)
            await asyncio.sleep(RETRY_SECONDS)

    async def _first_answer(self) -> dict[str, Any]:
        """Of the list of models, and of the model."""
        entry = self._entry(await self._http.get(f"{self._options.url}/models"))
        if self._options.generates:
            await self._warm_up()
        return entry

    def _entry(self, models: Any) -> dict[str, Any]:
        """What the remote says of our model; raises ENGINE_FAILED if that cannot be right."""
        try:
            entries: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in models["data"]}
            entry = entries.get(self._options.model)
            if entry is None:
                raise failed(f"serves {sorted(entries)} (REMOTE_MODEL)")
            context = entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx")
            if context is not None and self._options.context_tokens > int(context):
                raise failed(f"has a context of {context} tokens (CONTEXT_TOKENS)")
        except MALFORMED as error:
            raise failed("lists no models") from error
        return entry

    async def _warm_up(self) -> None:
        chat = Feature.CHAT in self._options.features
        prompt: Prompt = (Message("user", "Hello"),) if chat else "Hello"
        request = GenerationRequest("warm-up", "headrace", "warm-up", prompt, Sampling())
        async with aclosing(self.generate(request, (0,), 1)) as events:
            async for _ in events:
                continue


def _told_maximum(
    request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
) -> int | None:
    """What the remote is told; nothing where only it knows what fits.

    Text completions have a low default (16 with OpenAI and vLLM), so that they are told a number
    that fits in any case: no token stands for less than a byte.
    """
    if prompt_tokens or request.sampling.max_tokens is not None:
        return max_tokens
    if isinstance(request.prompt, str):
        return max(1, max_tokens - len(request.prompt.encode()) - 1)
    return None


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(value / length for value in vector)
