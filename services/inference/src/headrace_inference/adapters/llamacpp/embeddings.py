"""Embeddings by llama.cpp in this process, through xllamacpp: texts share passes over the model."""

import asyncio
import math
import tempfile
from array import array
from base64 import b64decode
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.call import Call
from headrace_inference.adapters.llamacpp.library import server_parameters, start_server
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.adapters.llamacpp.word_pieces import WordPieces
from headrace_inference.domain.capabilities import Capabilities
from headrace_inference.domain.events import EngineEvent
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import EmbeddingRequest, GenerationRequest, Prompt, Tool
from headrace_inference.domain.rules import check_characters
from headrace_inference.weights.digest import file_digest
from headrace_inference.weights.embedding_shape import sizes, word_pieces
from headrace_inference.weights.memory import ModelDoesNotFitError

WARM_UP = "Hello"

NOT_EMBEDDING = (
    "it is no embedding model that llama.cpp and BERT's tokenizer know;"
    " `python -m headrace_inference.prepare --model all-minilm-l6-v2` makes one"
)


class LlamaCppEmbeddings:
    """An Engine over one xllamacpp server that holds an embedding model.

    llama.cpp reads up to `slots` texts, of one request or of several, in one pass. A request that
    is cancelled ends with the texts that it has given: the caller gives few at a time.
    """

    def __init__(self, options: LlamaCppOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._server: Any = None
        self._pieces: WordPieces | None = None
        self._info: EngineInfo | None = None
        self._calls: set[Call] = set()
        self._dead = asyncio.Event()

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._info

    async def start(self) -> None:
        options = self._options
        self._directory = tempfile.TemporaryDirectory(prefix="headrace-llamacpp-")
        socket_path = str(Path(self._directory.name) / "llama.sock")
        try:
            digest = await asyncio.to_thread(file_digest, options.model_path)
            await asyncio.to_thread(options.check_memory)
            dimensions, longest = await asyncio.to_thread(sizes, options.model_path)
            vocabulary = await asyncio.to_thread(word_pieces, options.model_path)
            self._pieces = await asyncio.to_thread(WordPieces, vocabulary)
            context_tokens = min(longest, options.context_tokens)
            self._server = await asyncio.to_thread(_load, options, context_tokens, socket_path)
        except (RuntimeError, ValueError, LookupError) as error:
            why = error if isinstance(error, ModelDoesNotFitError) else NOT_EMBEDDING
            raise options.cannot_load(str(why)) from error
        await self._vectors([self._pieces.tokens(WARM_UP)])
        self._info = EngineInfo(
            engine="llamacpp",
            digest=digest,
            context_tokens=context_tokens,
            slots=options.slots,
            loaded_at=self._clock.now(),
            capabilities=Capabilities(generates=False, embedding_dimensions=dimensions),
        )

    async def tokenize(
        self,
        prompt: Prompt,
        tools: tuple[Tool, ...] = (),  # noqa: ARG002 - it has none
    ) -> tuple[int, ...]:
        if self._pieces is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        if not isinstance(prompt, str):
            raise _no_text()
        check_characters(len(prompt), self._options.context_tokens)
        return await asyncio.to_thread(self._pieces.tokens, prompt)

    async def check(self, request: GenerationRequest) -> None:  # noqa: ARG002 - the port's
        raise _no_text()

    def generate(
        self,
        request: GenerationRequest,  # noqa: ARG002 - the port's
        prompt_tokens: tuple[int, ...],  # noqa: ARG002 - the port's
        max_tokens: int,  # noqa: ARG002 - the port's
    ) -> AsyncGenerator[EngineEvent, None]:
        raise _no_text()

    async def embed(
        self,
        request: EmbeddingRequest,  # noqa: ARG002 - its tokens say it all
        prompt_tokens: tuple[tuple[int, ...], ...],
    ) -> Sequence[Sequence[float]]:
        return await self._vectors(prompt_tokens)

    async def health(self) -> None:
        """What it is ill with does not pass: see `watch`."""

    async def watch(self) -> None:
        await self._dead.wait()
        raise HeadraceError(Reason.ENGINE_FAILED, "the engine does not answer any more")

    async def close(self) -> None:
        self._info = None
        for call in set(self._calls):
            await self._end(call)
        if not self._dead.is_set():
            # the library aborts the whole process if it is destroyed under a running call
            await asyncio.to_thread(self._unload)
        if self._directory is not None:
            self._directory.cleanup()

    def _unload(self) -> None:
        self._server = None

    async def _vectors(self, texts: Sequence[Sequence[int]]) -> list[Sequence[float]]:
        # base64 is a third of the work of numbers as JSON
        body = {"input": [list(text) for text in texts], "encoding_format": "base64"}
        call = Call(self._server.handle_embeddings, body)
        self._calls.add(call)
        try:
            answer = await call.answer(self._options.stall_seconds)
        finally:
            await self._end(call)
        if "data" not in answer:
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine made no embeddings")
        entries = sorted(answer["data"], key=lambda entry: int(entry["index"]))
        return [array("f", b64decode(entry["embedding"])) for entry in entries]

    async def _end(self, call: Call) -> None:
        """Wait until the library lets go of the call; if it does not, it is dead."""
        if await call.ended(self._options.stall_seconds):
            self._calls.discard(call)
        else:
            self._dead.set()


def _no_text() -> HeadraceError:
    return HeadraceError(
        Reason.UNSUPPORTED_PARAMETER, "model: this one makes embeddings only", param="model"
    )


def _load(options: LlamaCppOptions, context_tokens: int, socket_path: str) -> Any:
    params = server_parameters(
        options.model_path,
        socket_path=socket_path,
        slots=options.slots,
        threads=options.threads,
        # passes over whole texts have few barriers; on a busy machine spinning doubled their cost
        spins=0,
    )
    params.n_threads_http = 1  # nobody calls it
    params.embedding = True
    params.n_ctx = options.slots * context_tokens
    # A text is read in one pass, and so are several that are shorter together. The library aborts
    # the process where a pass cannot be shared out evenly among its slots.
    params.n_batch = params.n_ubatch = math.ceil(context_tokens / options.slots) * options.slots
    return start_server(params)
