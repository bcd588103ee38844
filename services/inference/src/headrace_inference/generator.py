"""Answers one request: check, tokenize, wait for the turn, run the engine, tell what it took."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.events import (
    Accepted,
    Answer,
    Delta,
    EngineEvent,
    Finished,
    Started,
)
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.models import EngineInfo, ModelVersion
from headrace_inference.domain.requests import GenerationRequest, Prompt
from headrace_inference.domain.rules import (
    check_prompt,
    check_request,
    clip_max_tokens,
    estimate_tokens,
)
from headrace_inference.domain.run import Run
from headrace_inference.domain.scheduler import Scheduler
from headrace_inference.domain.waiting_line import Demand
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.ports import Engine


class Generator:
    """The one way to the engine.

    `maximum_seconds` bounds a request, its wait included; after `silent_seconds` without a word
    while it has work the engine counts as stalled.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        metrics: InferenceMetrics,
        *,
        model_id: str,
        maximum_seconds: float,
        silent_seconds: float,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._metrics = metrics
        self._model_id = model_id
        self._maximum_seconds = maximum_seconds
        self._silent_seconds = silent_seconds
        self._clock = clock
        self._heard = clock.monotonic()

    def model(self) -> ModelVersion:
        """What answers; raises NOT_SERVING while the engine loads."""
        return ModelVersion(self._model_id, self._engine.info.digest)

    def engine(self) -> EngineInfo:
        """What runs it; raises NOT_SERVING while the engine loads."""
        return self._engine.info

    def load(self) -> LoadReport:
        """How busy the server is; also while the engine loads."""
        return self._scheduler.load()

    async def check_engine(self) -> None:
        """Raise ENGINE_FAILED if it has work and has shown no sign of life for `silent_seconds`,
        and what it says itself of its health."""
        await self._engine.health()
        silent = self._clock.monotonic() - self._heard
        if self.load().running_requests and silent > self._silent_seconds:
            raise HeadraceError(Reason.ENGINE_FAILED, f"the engine is silent for {silent:.0f} s")

    async def count_tokens(self, model: str, prompt: Prompt) -> tuple[int, ...]:
        """The prompt's token ids."""
        self._check_model(model)
        check_prompt(prompt)
        self._engine.info.capabilities.check_prompt(prompt)
        return await self._engine.tokenize(prompt)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Answer, None]:
        """Started, deltas, Finished. Raises HeadraceError; what can be refused, before Started.

        Closing the generator at any time stops the work behind it.
        """
        run = Run(self._clock, request.sampling.choices)
        with self._metrics.measure(run):
            prompt_tokens = await self._read(request)
            run.prompt_tokens = len(prompt_tokens) or estimate_tokens(request.prompt)
            max_tokens = self._clip(request, prompt_tokens)
            with await self._scheduler.enter(_demand(request, run, max_tokens)) as turn:
                self._heard = self._clock.monotonic()
                work = self._engine.generate(request, prompt_tokens, max_tokens)
                async with aclosing(work) as events:
                    while (event := await self._next(events, run)) is not None:
                        self._heard = self._clock.monotonic()
                        turn.serve(run.note(event))
                        if isinstance(event, Accepted):
                            yield Started(self.model(), run.leave_queue(), run.prompt_tokens)
                        elif isinstance(event, Delta):
                            yield event
            if not run.complete:
                raise HeadraceError(Reason.ENGINE_FAILED, "the engine ended before the answer did")
            yield Finished(
                self.model(), run.reasons, run.prompt_tokens, run.completion_tokens, run.timings()
            )

    async def _read(self, request: GenerationRequest) -> tuple[int, ...]:
        """Refuse what will not be answered, at the least cost first; the prompt's token ids."""
        self._scheduler.require_room(request.organization_id, request.sampling.choices)
        check_request(request)
        self._check_model(request.model)
        if request.sampling.choices > self._engine.info.slots:
            raise HeadraceError(
                Reason.UNSUPPORTED_PARAMETER,
                f"choices: this server runs at most {self._engine.info.slots} at a time",
                param="choices",
            )
        capabilities = self._engine.info.capabilities
        capabilities.check(request)
        await self._engine.check(request)
        if not capabilities.tokenizes:
            return ()
        return await self._engine.tokenize(request.prompt, request.tools)

    def _clip(self, request: GenerationRequest, prompt_tokens: tuple[int, ...]) -> int:
        return clip_max_tokens(
            request.sampling.max_tokens, len(prompt_tokens), self._engine.info.context_tokens
        )

    async def _next(
        self, events: AsyncGenerator[EngineEvent, None], run: Run
    ) -> EngineEvent | None:
        """The next event, None after the last; an engine that falls silent is not waited for."""
        left = self._maximum_seconds - run.total_seconds()
        if left <= 0:
            raise _too_late()
        try:
            async with asyncio.timeout(left):
                return await anext(events, None)
        except TimeoutError as error:
            raise _too_late() from error

    def _check_model(self, model: str) -> None:
        if model != self._model_id:
            raise HeadraceError(
                Reason.MODEL_NOT_FOUND, f"this server serves {self._model_id} only", param="model"
            )


def _demand(request: GenerationRequest, run: Run, max_tokens: int) -> Demand:
    return Demand(
        request.organization_id,
        request.priority,
        request.sampling.choices,
        run.prompt_tokens,
        max_tokens,
    )


def _too_late() -> HeadraceError:
    return HeadraceError(Reason.DEADLINE_EXCEEDED, "the answer took longer than this server allows")
