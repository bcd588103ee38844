"""Any Hugging Face causal or embedding model, through torch and transformers."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.checker import FormChecker
from headrace_inference.adapters.transformers.job import Job
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.adapters.transformers.worker import Worker
from headrace_inference.domain.events import EngineEvent
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    Prompt,
    Sampling,
    Tool,
)
from headrace_inference.weights.digest import directory_digest
from headrace_inference.weights.hub import fetch_model_directory
from headrace_inference.weights.source import PreparationError

if TYPE_CHECKING:
    from headrace_inference.adapters.transformers.encoder import Encoder
    from headrace_inference.adapters.transformers.load import Loaded

Loader = Callable[[Path, TransformersOptions], "Loaded"]
"""Makes a model of a directory, in the thread that will own it."""

WARM_UP = GenerationRequest("warm-up", "headrace", "warm-up", "Hello", Sampling(max_tokens=2))

DEVICE_IS_FULL = (
    "its device has too little memory: lower SLOTS or CONTEXT_TOKENS,"
    " or set DTYPE to one of fewer bytes (bf16, fp16)"
)


class TransformersEngine:
    """An Engine whose model belongs to a thread; torch is not imported before `start`.

    `load` is that of `load.py` unless another is given.
    """

    def __init__(
        self, options: TransformersOptions, clock: Clock, load: Loader | None = None
    ) -> None:
        self._options = options
        self._clock = clock
        self._loader = load
        self._worker: Worker | None = None
        self._loaded: Loaded | None = None
        self._info: EngineInfo | None = None
        self._schemas = FormChecker()
        self._dead = asyncio.Event()

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._info

    async def start(self) -> None:
        _require_torch()
        try:
            directory = await asyncio.to_thread(fetch_model_directory, self._options.model)
            digest = await asyncio.to_thread(directory_digest, directory)
            self._loaded = await self._load(directory)
            await self._warm_up(self._loaded)
        except (PreparationError, ValueError, OSError) as error:
            raise self._cannot_load(str(error)) from error
        except (HeadraceError, RuntimeError) as error:
            if not _ran_out_of_memory(error):
                raise
            raise self._cannot_load(DEVICE_IS_FULL) from error
        self._info = EngineInfo(
            engine="transformers",
            digest=digest,
            context_tokens=self._loaded.context_tokens,
            slots=self._options.slots,
            loaded_at=self._clock.now(),
            capabilities=self._loaded.capabilities,
        )

    async def tokenize(
        self,
        prompt: Prompt,
        tools: tuple[Tool, ...] = (),  # noqa: ARG002 - it has none
    ) -> tuple[int, ...]:
        loaded = self._require_loaded()
        return await asyncio.to_thread(
            loaded.vocabulary.tokens, prompt, context_tokens=loaded.context_tokens
        )

    async def check(self, request: GenerationRequest) -> None:
        size = self._require_loaded().vocabulary.size
        if max(request.sampling.logit_bias, default=0) >= size:
            message = f"logit_bias: this model has {size} tokens"
            raise HeadraceError(Reason.INVALID_FIELD, message, param="logit_bias")
        await self._schemas.check_form(request.response_format, request.organization_id)

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        worker = self._require_worker()
        # not in the model's thread, where all others would wait
        compiled = partial(self._require_loaded().vocabulary.form, request.response_format)
        form = await asyncio.to_thread(compiled) if request.response_format else None
        job = Job(request, prompt_tokens, max_tokens, form)
        worker.join(job)
        try:
            async with aclosing(job.stream.events(self._options.stall_seconds)) as events:
                async for event in events:
                    yield event
        finally:
            if not job.stream.ended:
                worker.leave(job)
                seconds = 0.0 if job.stream.stalled else self._options.stall_seconds
                if not await job.stream.until_ended(seconds):
                    self._dead.set()

    async def embed(
        self,
        request: EmbeddingRequest,  # noqa: ARG002 - its texts are known as tokens
        prompt_tokens: tuple[tuple[int, ...], ...],
    ) -> Sequence[Sequence[float]]:
        encoder = self._require_loaded().encoder
        if encoder is None:
            raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, "model: this one makes no embeddings")
        vectors: list[Sequence[float]] = []
        slots = self._options.slots
        for start in range(0, len(prompt_tokens), slots):
            vectors += await self._vectors(encoder, prompt_tokens[start : start + slots])
        return vectors

    async def health(self) -> None:
        """What it is ill with does not pass: see `watch`."""

    async def watch(self) -> None:
        await self._dead.wait()
        raise HeadraceError(Reason.ENGINE_FAILED, "the engine does not answer any more")

    async def close(self) -> None:
        self._info = None
        self._loaded = None
        await self._schemas.close()
        worker, self._worker = self._worker, None
        if worker is not None and not await worker.stop(self._options.stall_seconds):
            self._dead.set()

    async def _load(self, directory: Path) -> "Loaded":
        # Threads that spin while they wait for one another collapse as soon as another process
        # wants the cores too. libgomp reads this once, when torch is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        load = self._loader
        if load is None:
            load = await asyncio.to_thread(_usual_loader)
        self._worker = Worker()
        return await self._worker.load(partial(load, directory, self._options))

    async def _warm_up(self, loaded: "Loaded") -> None:
        """Compute a little: memory is taken, and what cannot work is found out, before callers."""
        tokens = await self.tokenize(WARM_UP.prompt)
        if loaded.encoder is not None:
            await self._vectors(loaded.encoder, (tokens,))
            return
        async for _ in self.generate(WARM_UP, tokens, 2):
            pass

    async def _vectors(
        self, encoder: "Encoder", texts: Sequence[Sequence[int]]
    ) -> Sequence[Sequence[float]]:
        worker = self._require_worker()
        try:
            return await worker.do(partial(encoder.vectors, texts), self._options.stall_seconds)
        except TimeoutError as error:
            self._dead.set()
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine stalled") from error
        except Exception as error:
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine failed") from error

    def _cannot_load(self, why: str) -> HeadraceError:
        message = f"transformers cannot load {self._options.model}: {why}"
        return HeadraceError(Reason.ENGINE_FAILED, message)

    def _require_loaded(self) -> "Loaded":
        if self._loaded is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._loaded

    def _require_worker(self) -> Worker:
        if self._worker is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._worker


def _require_torch() -> None:
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise HeadraceError(
            Reason.ENGINE_FAILED,
            "torch is not installed: install headrace-inference[transformers]",
        )


def _usual_loader() -> Loader:
    load: Loader = import_module("headrace_inference.adapters.transformers.load").load
    return load


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether this, or what led to it, is a GPU that has no more room."""
    import torch  # noqa: PLC0415 - a heavy one, and there by now

    while error is not None and not isinstance(error, torch.OutOfMemoryError):
        error = error.__cause__
    return error is not None
