"""Answers one request: check, tokenize, wait for the turn, run the engine, tell what it took."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.deadline import Deadline
from headrace_inference.domain.events import (
    Accepted,
    Answer,
    Delta,
    EngineEvent,
    Finished,
    Started,
)
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.domain.rules import check_request, clip_max_tokens, estimate_tokens
from headrace_inference.domain.run import Run
from headrace_inference.domain.tool_rules import check_tools
from headrace_inference.domain.waiting_line import Demand
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.served_model import ServedModel, too_late

T = TypeVar("T")


class Generator:
    """The way of a request for text; `maximum_seconds` bounds it, its wait included."""

    def __init__(
        self,
        served: ServedModel,
        metrics: InferenceMetrics,
        *,
        maximum_seconds: float,
        clock: Clock,
    ) -> None:
        self._served = served
        self._engine = served.engine
        self._scheduler = served.scheduler
        self._metrics = metrics
        self._maximum_seconds = maximum_seconds
        self._clock = clock

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Answer, None]:
        """Started, deltas, Finished. Raises HeadraceError; what can be refused, before Started.

        Closing the generator at any time stops the work behind it.
        """
        run = Run(self._clock, request.sampling.choices)
        with self._metrics.measure(run), Deadline(self._maximum_seconds) as deadline:
            prompt_tokens = await _within(deadline, partial(self._read, request))
            run.prompt_tokens = len(prompt_tokens) or estimate_tokens(
                request.prompt, request.offered_tools
            )
            max_tokens = self._clip(request, prompt_tokens)
            model = self._served.version(request.model)
            demand = _demand(request, run, max_tokens)
            silence = self._served.silence
            enter = partial(self._scheduler.enter, demand)
            with await _within(deadline, enter) as turn, silence.work():
                work = self._engine.generate(request, prompt_tokens, max_tokens)
                async with aclosing(work) as events:
                    while (event := await self._next(deadline, events, run)) is not None:
                        silence.hear()
                        turn.serve(run.note(event))
                        if isinstance(event, Accepted):
                            yield Started(model, run.leave_queue(), run.prompt_tokens)
                        elif isinstance(event, Delta):
                            yield event
            if not run.complete:
                raise HeadraceError(Reason.ENGINE_FAILED, "the engine ended before the answer did")
            yield Finished(
                model, run.reasons, run.prompt_tokens, run.completion_tokens, run.timings()
            )

    async def _read(self, request: GenerationRequest) -> tuple[int, ...]:
        """Refuse what will not be answered, at the least cost first; the prompt's token ids."""
        self._scheduler.require_room(request.organization_id, request.sampling.choices)
        check_request(request)
        self._served.version(request.model)
        if request.sampling.choices > self._engine.info.slots:
            raise HeadraceError(
                Reason.UNSUPPORTED_PARAMETER,
                f"choices: this server runs at most {self._engine.info.slots} at a time",
                param="choices",
            )
        capabilities = self._engine.info.capabilities
        capabilities.check(request)
        check_tools(request)
        await self._engine.check(request)
        if not capabilities.tokenizes:
            return ()
        return await self._engine.tokenize(request.prompt, request.offered_tools)

    def _clip(self, request: GenerationRequest, prompt_tokens: tuple[int, ...]) -> int:
        return clip_max_tokens(
            request.sampling.max_tokens, len(prompt_tokens), self._engine.info.context_tokens
        )

    async def _next(
        self, deadline: Deadline, events: AsyncGenerator[EngineEvent, None], run: Run
    ) -> EngineEvent | None:
        """The next event, None after the last; an engine that falls silent is not waited for."""
        if run.total_seconds() >= self._maximum_seconds:
            raise too_late()
        return await _within(deadline, partial(anext, events, None))


async def _within(deadline: Deadline, begin: Callable[[], Awaitable[T]]) -> T:
    try:
        return await deadline.wait(begin)
    except TimeoutError as error:
        raise too_late() from error


def _demand(request: GenerationRequest, run: Run, max_tokens: int) -> Demand:
    return Demand(
        request.organization_id,
        request.priority,
        request.sampling.choices,
        run.prompt_tokens,
        max_tokens,
    )
