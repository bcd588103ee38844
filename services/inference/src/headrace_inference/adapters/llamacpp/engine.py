"""llama.cpp in this process, through xllamacpp: continuous batching over parallel slots."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import Any

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.checker import FormChecker
from headrace_inference.adapters.llamacpp.checks import check_bias, check_tools
from headrace_inference.adapters.llamacpp.chunks import ChunkTranslator
from headrace_inference.adapters.llamacpp.completion import Complete, Completion
from headrace_inference.adapters.llamacpp.fed_completion import FedCompletion
from headrace_inference.adapters.llamacpp.http import HTTP_THREADS, LlamaCppHttp
from headrace_inference.adapters.llamacpp.library import (
    idle_adapters,
    server_parameters,
    start_server,
)
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.adapters.llamacpp.prompt import PromptReader
from headrace_inference.adapters.llamacpp.request import chat_body, completion_body
from headrace_inference.adapters.llamacpp.slots import SlotTable
from headrace_inference.adapters.llamacpp.tools import is_free_to_call
from headrace_inference.adapters.mailbox import Mailbox
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.events import EngineEvent
from headrace_inference.domain.group_gate import GroupGate
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    Prompt,
    Sampling,
    Tool,
)
from headrace_inference.domain.semaphore import Hold, WeightedSemaphore
from headrace_inference.weights.control_tokens import control_texts
from headrace_inference.weights.digest import combined_digest, file_digest
from headrace_inference.weights.lora_adapters import AdapterDoesNotFitError, check_adapter
from headrace_inference.weights.memory import ModelDoesNotFitError
from headrace_inference.weights.textless_tokens import textless_tokens

FEATURES = frozenset(
    {
        Feature.CHAT,
        Feature.CHOICES,
        Feature.TOP_LOGPROBS,
        Feature.LOGIT_BIAS,
        Feature.RESPONSE_FORMAT,
        Feature.GRAMMAR,
    }
)
TOOLS = frozenset({Feature.TOOLS})
Work = Completion | FedCompletion
Load = Callable[[LlamaCppOptions, str], Any]
"""Starts the library's server, with a listener on this Unix socket; see `load_server`."""
WARM_UP = GenerationRequest("warm-up", "headrace", "warm-up", "Hello", Sampling(max_tokens=2))


class LlamaCppEngine:
    """An Engine over one xllamacpp server, made in the event loop that it is used in.

    What is cancelled ends when llama.cpp next calls back, which it does at each decode step and
    each prefill chunk of the choice, but not for a call's marks where it looks for calls; the step
    that follows at once has begun by then, and is the last. So a long prompt is fed a chunk at a
    time, but not one with several choices. A choice whose prefill waits behind others' gets no such
    call, so a prompt is let in, first come first served, when its first chunk fits into the next
    one to be read.

    A request that fails or is cancelled keeps its places until its thread ends: one that is silent
    still writes in llama.cpp's slots.

    Choices of one adapter, or of none, run at a time: in a batch llama.cpp would let the adapter of
    its first busy slot go on and starve the others.
    """

    def __init__(self, options: LlamaCppOptions, clock: Clock, *, load: Load | None = None) -> None:
        self._options = options
        self._clock = clock
        self._load = load or load_server
        self._adapters = list(options.lora_adapters)
        self._gate = GroupGate()
        self._slots = SlotTable(options.slots)
        self._places = WeightedSemaphore(options.slots)
        self._prefill = WeightedSemaphore(options.prefill_chunk_tokens)
        self._mailbox = Mailbox(options.gather_seconds)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._server: Any = None
        self._http: LlamaCppHttp | None = None
        self._prompts: PromptReader | None = None
        self._info: EngineInfo | None = None
        self._vocabulary_size = 0
        self._textless: frozenset[int] = frozenset()
        self._schemas = FormChecker()
        self._leaving: set[asyncio.Task[None]] = set()
        self._works: set[Work] = set()
        self._heard_at = 0.0
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
        if not options.model_path.is_file():
            raise options.cannot_load(await asyncio.to_thread(_no_file, options.model_path))
        digest = await asyncio.to_thread(file_digest, options.model_path)
        digest = combined_digest(digest, options.chat_template)
        try:
            await asyncio.to_thread(options.check_memory)
            adapted = await asyncio.to_thread(_check_adapters, options, digest)
            control = await asyncio.to_thread(control_texts, options.model_path)
            self._textless = await asyncio.to_thread(textless_tokens, options.model_path)
            self._server = await asyncio.to_thread(self._load, options, socket_path)
        except (ModelDoesNotFitError, AdapterDoesNotFitError) as error:
            raise options.cannot_load(str(error)) from error
        except (RuntimeError, ValueError, LookupError) as error:
            raise options.cannot_load(_unknown(options)) from error
        self._http = LlamaCppHttp(socket_path)
        self._vocabulary_size = await self._http.vocabulary_size()
        features = FEATURES | TOOLS if await self._http.knows_tools() else FEATURES
        self._prompts = PromptReader(self._http, control, context_tokens=options.context_tokens)
        tokens = await self._prompts.tokens(WARM_UP.prompt)
        async for _ in self.generate(WARM_UP, tokens, 2):
            pass
        self._info = EngineInfo(
            engine="llamacpp",
            digest=digest,
            context_tokens=options.context_tokens,
            slots=options.slots,
            loaded_at=self._clock.now(),
            capabilities=Capabilities(features),
            adapted=adapted,
        )

    async def tokenize(self, prompt: Prompt, tools: tuple[Tool, ...] = ()) -> tuple[int, ...]:
        return await self._reader().tokens(prompt, tools)

    async def check(self, request: GenerationRequest) -> None:
        check_bias(request.sampling.logit_bias, self._vocabulary_size, self._textless)
        await self._schemas.check_form(request.response_format, request.organization_id)
        if request.offered_tools:
            await check_tools(request, self._schemas, self._reader())

    async def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        complete, body, adapter = self._library_call(request, prompt_tokens, max_tokens)
        choices = request.sampling.choices
        # of several choices llama.cpp alone knows the slots, so they run apart and leave no prefix
        steered = self._options.prompt_cache and choices == 1
        with ExitStack() as held:
            held.enter_context(await self._gate.enter((adapter, steered)))
            held.enter_context(await self._places.acquire(choices))
            cached, seat = 0, None
            if steered:
                owner = (request.organization_id, adapter)
                seat = held.enter_context(self._slots.take(owner, prompt_tokens))
                cached = min(seat.cached, len(prompt_tokens) - 1)  # the last one is always read
                body |= {"id_slot": seat.slot, "cache_prompt": cached > 0}
            else:
                self._slots.forget()
            chunk = min(len(prompt_tokens) - cached, self._options.prefill_chunk_tokens)
            prefill = held.enter_context(await self._prefill.acquire(chunk))
            begin = partial(self._completion, request, complete, prefill.resize)
            work = self._start(prompt_tokens, cached, body, begin, prefill)
            try:
                async with aclosing(self._events(request, work)) as events:
                    async for event in events:
                        if seat is not None and work.unread is not None:
                            seat.has_read(len(prompt_tokens) - work.unread)
                        yield event
            finally:
                await self._leave(work, held.pop_all())

    def _start(
        self,
        prompt_tokens: tuple[int, ...],
        cached: int,
        body: Mapping[str, Any],
        begin: Callable[[Mapping[str, Any]], Completion],
        prefill: Hold,
    ) -> Work:
        """Have llama.cpp begin; a prompt of more than a chunk is fed to it."""
        unread, chunk_tokens = len(prompt_tokens) - cached, self._options.prefill_chunk_tokens
        work: Work
        if unread <= chunk_tokens or body["n"] > 1:
            prefill.resize(unread)
            work = begin(body)
        else:
            work = FedCompletion(
                self._listener().read,
                prompt_tokens,
                cached=cached,
                chunk_tokens=chunk_tokens,
                body=body,
                begin=begin,
                on_event=self._hear,
            )
        self._works.add(work)
        return work

    def _completion(
        self,
        request: GenerationRequest,
        complete: Complete,
        on_unread: Callable[[int], None],
        body: Mapping[str, Any],
    ) -> Completion:
        sampling = request.sampling
        forced = request.offered_tools if request.must_call else ()
        return Completion(
            complete,
            body,
            ChunkTranslator(sampling.choices, sampling.stop, sampling.top_logprobs, forced),
            self._mailbox,
            on_unread=on_unread,
            on_event=self._hear,
        )

    def _hear(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()

    def _library_call(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> tuple[Complete, dict[str, Any], int | None]:
        """The library's function, its body, and the number of the adapter."""
        complete, body = self._server.handle_completions, completion_body
        if is_free_to_call(request):
            complete, body = self._server.handle_chat_completions, chat_body
        made = body(request, prompt_tokens, max_tokens)
        adapter = self._adapters.index(request.model) if request.model in self._adapters else None
        if adapter is not None:
            made["lora"] = [{"id": adapter, "scale": 1.0}]
        return complete, made, adapter

    def _events(self, request: GenerationRequest, work: Work) -> AsyncGenerator[EngineEvent, None]:
        events = work.events(self._options.stall_seconds)
        return self._schemas.verified(request, events) if request.response_format else events

    async def embed(
        self,
        request: EmbeddingRequest,  # noqa: ARG002 - the port's
        prompt_tokens: tuple[tuple[int, ...], ...],  # noqa: ARG002 - the port's
    ) -> Sequence[Sequence[float]]:
        raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, "model: this one makes no embeddings")

    async def health(self) -> None:
        """What it is ill with does not pass: see `watch`."""

    async def watch(self) -> None:
        deaths = (
            asyncio.ensure_future(self._dead.wait()),
            asyncio.ensure_future(self._listener().until_mute(self._options.stall_seconds)),
        )
        try:
            (death, *_), _ = await asyncio.wait(deaths, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in deaths:
                each.cancel()
        self._dead.set()
        raise HeadraceError(
            Reason.ENGINE_FAILED, "the engine does not answer any more"
        ) from death.exception()

    async def close(self) -> None:
        self._info = None
        await self._schemas.close()
        seconds = 0.0 if self._dead.is_set() else self._options.stall_seconds
        ended = all(await asyncio.gather(*(each.stop(seconds) for each in self._works)))
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        if ended and not self._dead.is_set():
            # the library aborts the whole process if it is destroyed under a running completion
            await asyncio.to_thread(self._unload)
        if self._directory is not None:
            self._directory.cleanup()

    def _reader(self) -> PromptReader:
        if self._prompts is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._prompts

    def _listener(self) -> LlamaCppHttp:
        if self._http is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._http

    def _unload(self) -> None:
        self._server = None

    async def _leave(self, work: Work, held: ExitStack) -> None:
        """Give up what it holds when it has ended; wait for that, but not for a silent one."""
        seconds = 0.0 if work.stalled else self._options.stall_seconds
        leaving = asyncio.create_task(self._give_up(work, held, seconds))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait({leaving}, timeout=seconds)

    async def _give_up(self, work: Work, held: ExitStack, seconds: float) -> None:
        with held:
            while not await work.stop(seconds):
                seconds = self._options.stall_seconds
                if asyncio.get_running_loop().time() - self._heard_at >= seconds:
                    self._dead.set()
                    break
            else:
                self._works.discard(work)


def _no_file(path: Path) -> str:
    if path.is_dir():
        found = len(list(path.glob("*.gguf")))
        return (
            f"it is a directory, with {found} .gguf files; a process serves one model: name its"
            " file, and start another process for each further model"
        )
    return (
        "there is no such file; `python -m headrace_inference.prepare --directory DIR` makes one"
        " and prints its path"
    )


def _unknown(options: LlamaCppOptions) -> str:
    template = ", or the chat template is none" if options.chat_template else ""
    adapter = ", or an adapter does not fit it" if options.lora_adapters else ""
    return f"it is no model that llama.cpp knows{template}{adapter}"


def _check_adapters(options: LlamaCppOptions, digest: str) -> dict[str, str]:
    """The digests of the models that they make: of the model's own and the adapter's."""
    adapted = {}
    for name, path in options.lora_adapters.items():
        check_adapter(options.model_path, path)
        adapted[name] = combined_digest(digest, file_digest(path))
    return adapted


def load_server(options: LlamaCppOptions, socket_path: str) -> Any:
    """The model in the library; blocks, and raises RuntimeError."""
    params = server_parameters(
        options.model_path,
        socket_path=socket_path,
        slots=options.slots,
        threads=options.threads,
        spins=options.spins,
    )
    params.n_threads_http = HTTP_THREADS
    params.chat_template = options.chat_template
    params.lora_adapters = idle_adapters(options.lora_adapters.values())
    params.n_ctx = options.slots * options.context_tokens
    # one chunk of prefill beside one decoded token per slot, in one pass
    params.n_batch = params.n_ubatch = options.prefill_chunk_tokens + options.slots
    params.prefill_assistant = False
    return start_server(params)
