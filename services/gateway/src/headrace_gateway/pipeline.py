"""The way of a request: the one place that calls the stages, in their order.

identify -> admit -> guard prompt -> route -> look up -> infer -> spend -> guard output -> keep
-> settle -> record
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Kind, Reason, credential_invalid
from headrace_gateway.domain.admission import estimate_tokens
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Events,
    Finished,
    ModelCard,
)
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings, ModelRequest, OneRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import (
    INVOKE_MODELS,
    READ_MODELS,
    TRACE_REQUESTS,
    Principal,
)
from headrace_gateway.domain.seal import Seal
from headrace_gateway.domain.stage_times import NOT_TIMED
from headrace_gateway.logs import log_exchange
from headrace_gateway.metrics import GatewayMetrics
from headrace_gateway.ports import EventEntry, EventLog
from headrace_gateway.stages.admit import Admit
from headrace_gateway.stages.guard import Guard
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.infer import Infer
from headrace_gateway.stages.key_uses import KeyUses
from headrace_gateway.stages.look_up import LookUp, replay
from headrace_gateway.stages.route import Route, Router
from headrace_gateway.stages.settle import Settle
from headrace_gateway.stages.spend import Spend

NOTHING_DONE = frozenset(
    {
        Reason.INVALID_FIELD,
        Reason.UNSUPPORTED_PARAMETER,
        Reason.CONTEXT_LENGTH_EXCEEDED,
        Reason.MODEL_NOT_FOUND,
        Reason.NOT_SERVING,
        Reason.QUEUE_FULL,
        Reason.REQUEST_TOO_LARGE,
    }
)
"""Why a model server refuses, before it works unless it says `after_work`."""

NOTED_EVERY_SECONDS = 1.0
"""How often what an answer has used is noted; a kill forgets what came after."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages, built once per process."""

    identify: Identify
    key_uses: KeyUses
    admit: Admit
    guard: Guard
    router: Router
    look_up: LookUp
    infer: Infer
    spend: Spend
    settle: Settle
    event_log: EventLog


class Pipeline:
    """Both front doors call it; every call ends settled and recorded, however it ends."""

    def __init__(self, stages: Stages, metrics: GatewayMetrics, clock: Clock) -> None:
        self._stages = stages
        self._metrics = metrics
        self._clock = clock

    async def complete(
        self, exchange: Exchange, read: Callable[[], Awaitable[CompletionRequest]]
    ) -> Events:
        """Stream one answer. Close the generator (`aclosing`) to stop the work behind it.

        `read` receives and parses the caller's body; it runs after identification, so that
        strangers cannot make us work or wait. Raises HeadraceError, before the first event wherever
        the request is refused.
        """
        stages, timed = self._stages, partial(self._timed, exchange)
        async with self._accounted(exchange) as entry:
            principal, request, route = await self._let_in(exchange, read)
            with timed("look_up"):
                cached = await stages.look_up.run(exchange, principal, request)
            entry.note(exchange, self._seconds(exchange))
            if cached:
                events = replay(cached)
            else:
                tenant = principal.organization_id
                events = stages.infer.generate(exchange, tenant, request, route)
            seal = Seal(intact=not exchange.prompt_masked)
            awaited = self._awaited(exchange, "infer", events)
            noted = self._note(exchange, entry, seal, awaited)
            paid = stages.spend.within(exchange, request, noted)
            guarded = stages.guard.check_output(exchange, request, paid)
            guarded = self._awaited(exchange, "answer", guarded)
            kept = stages.look_up.keep(exchange, principal, request, guarded)
            async with aclosing(kept):
                async for event in kept:
                    _stop_if_cancelled()
                    yield seal.check(event)
                    if isinstance(event, Finished):
                        exchange.finish_reasons = event.finish_reasons

    async def embed(
        self, exchange: Exchange, read: Callable[[], Awaitable[EmbeddingRequest]]
    ) -> Embeddings:
        """Turn texts into vectors; cancelling it stops the work behind it. Raises HeadraceError."""
        async with self._accounted(exchange) as entry:
            principal, request, route = await self._let_in(exchange, read)
            # Whoever leaves before it is known what it took has had about this much of it.
            exchange.prompt_tokens = estimate_tokens(request)
            entry.note(exchange, self._seconds(exchange))
            try:
                with self._traced(exchange, "infer"):
                    embeddings = await self._stages.infer.embed(
                        exchange, principal.organization_id, request, route
                    )
            except HeadraceError as error:
                if error.reason in NOTHING_DONE and not error.after_work:
                    exchange.prompt_tokens = 0
                raise
            exchange.note_embeddings(embeddings)
            return embeddings

    async def list_models(self, exchange: Exchange) -> list[ModelCard]:
        """The models that the caller may use."""
        async with self._accounted(exchange):
            principal = await self._let_look(exchange)
            return self._stages.router.cards_for(principal)

    async def find_model(self, exchange: Exchange, model: str) -> ModelCard:
        """One model; raises MODEL_NOT_FOUND."""
        async with self._accounted(exchange):
            principal = await self._let_look(exchange)
            return self._stages.router.run(exchange, principal, model).card

    async def administer(self, exchange: Exchange, call: Callable[[], Awaitable[T]]) -> T:
        """Run an administrative call; `auth` decides by the credential itself whether it may be.

        It goes on while rates cannot be counted: a key must be revocable on a bad day.
        """
        async with self._accounted(exchange) as entry:
            if exchange.signed is not None:
                # `auth` checks the credential of account calls itself, and this one works once.
                raise HeadraceError(
                    Reason.PERMISSION_DENIED,
                    "Signed requests are for models only. Here, use an access token or an API key.",
                )
            principal = await self._stages.identify.run(exchange)
            self._stages.key_uses.count(exchange, principal)
            try:
                await self._admit(exchange, principal, None)
            except HeadraceError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
            entry.note(exchange, self._seconds(exchange))
            return await call()

    async def log_in(self, exchange: Exchange, call: Callable[[], Awaitable[T]]) -> T:
        """Run a login, for which there is nobody to identify yet."""
        async with self._accounted(exchange) as entry:
            entry.note(exchange, self._seconds(exchange))
            return await call()

    @asynccontextmanager
    async def _accounted(self, exchange: Exchange) -> AsyncIterator[EventEntry]:
        """Settle, record, count and log the exchange, whatever happens in the block."""
        entry = self._open_entry(exchange)
        try:
            yield entry
        except BaseException as error:
            exchange.fail(error)
            raise
        else:
            exchange.succeed()
        finally:
            try:
                if exchange.charged:
                    # Settled is what stands noted: a kill between the two leaves them the same.
                    entry.note_end(exchange, self._seconds(exchange))
                with self._traced(exchange, "settle"):
                    await self._stages.settle.run(exchange, entry.settled)
            finally:
                with self._traced(exchange, "record"):
                    self._record(exchange, entry)

    def _open_entry(self, exchange: Exchange) -> EventEntry:
        """Refuse what could not be recorded; the refusal itself is only counted and logged."""
        try:
            return self._stages.event_log.open()
        except HeadraceError as error:
            exchange.fail(error)
            self._tell(exchange)
            raise

    def _record(self, exchange: Exchange, entry: EventEntry) -> None:
        try:
            entry.record(exchange, self._seconds(exchange))
        except HeadraceError as error:
            exchange.fail(error)
            raise
        finally:
            self._tell(exchange)

    def _tell(self, exchange: Exchange) -> None:
        seconds = self._seconds(exchange)
        self._metrics.count(exchange, seconds)
        log_exchange(exchange, seconds)

    def _seconds(self, exchange: Exchange) -> float:
        return self._clock.monotonic() - exchange.started

    async def _let_in(
        self, exchange: Exchange, read: Callable[[], Awaitable[OneRequest]]
    ) -> tuple[Principal, OneRequest, Route]:
        """The stages before a model is asked, which are the same for all that models do."""
        stages, timed = self._stages, partial(self._timed, exchange)
        with timed("identify"):
            principal = await self._identify(exchange, INVOKE_MODELS)
        with self._traced(exchange, "read"):
            request = await read()
        with timed("admit"):
            principal = await self._admit(exchange, principal, request, INVOKE_MODELS)
        with timed("guard_prompt"):
            request = stages.guard.check_prompt(exchange, principal, request)
        with self._traced(exchange, "route"):
            route = stages.router.run(exchange, principal, request.model)
            stages.spend.require_price(exchange, principal)
        return principal, request, route

    def _timed(self, exchange: Exchange, stage: str) -> AbstractContextManager[None]:
        """Time a stage for the metrics, and for whoever asked for a trace."""
        measured = self._metrics.time_stage(stage)
        if exchange.times is None:
            return measured
        return exchange.times.time(stage, self._clock.monotonic, measured)

    def _traced(self, exchange: Exchange, stage: str) -> AbstractContextManager[None]:
        """Time a stage for whoever asked for a trace only."""
        if exchange.times is None:
            return NOT_TIMED
        return exchange.times.time(stage, self._clock.monotonic)

    def _awaited(self, exchange: Exchange, stage: str, events: Events) -> Events:
        """The same for a stage that brings events."""
        if exchange.times is None:
            return events
        return exchange.times.wait(stage, events, self._clock.monotonic)

    async def _let_look(self, exchange: Exchange) -> Principal:
        """The stages before somebody sees which models there are."""
        with self._traced(exchange, "identify"):
            principal = await self._identify(exchange, READ_MODELS)
        with self._traced(exchange, "admit"):
            return await self._admit(exchange, principal, None, READ_MODELS)

    async def _identify(self, exchange: Exchange, scope: str) -> Principal:
        principal = await self._stages.identify.run(exchange)
        self._stages.key_uses.count(exchange, principal)
        _require_scopes(exchange, principal, scope)
        return principal

    async def _admit(
        self,
        exchange: Exchange,
        principal: Principal,
        request: ModelRequest | None,
        scope: str | None = None,
    ) -> Principal:
        """Admit whoever it is by now: what was known of the principal may have ended meanwhile."""
        admit = self._stages.admit
        if await admit.run(exchange, principal, request):
            return principal
        known, principal = principal, await self._stages.identify.again(exchange)
        if scope is not None:
            _require_scopes(exchange, principal, scope)
        changed = principal.revocation_ids != known.revocation_ids
        if not changed or not await admit.run(exchange, principal, request):
            raise credential_invalid()
        return principal

    async def _note(
        self, exchange: Exchange, entry: EventEntry, seal: Seal, events: Events
    ) -> Events:
        again_at = self._clock.monotonic() + NOTED_EVERY_SECONDS
        async with aclosing(events):
            async for event in events:
                seal.note_made(event)
                now = self._clock.monotonic()
                exchange.note(event, now)
                if now >= again_at:
                    entry.note(exchange, now - exchange.started)
                    again_at = now + NOTED_EVERY_SECONDS
                yield event


def _require_scopes(exchange: Exchange, principal: Principal, scope: str) -> None:
    """Raise PERMISSION_DENIED; whoever asks for a trace needs a right to it, too."""
    principal.require_scope(scope)
    if exchange.times is not None:
        exchange.times.allowed = False
        principal.require_scope(TRACE_REQUESTS)
        exchange.times.allowed = True


def _stop_if_cancelled() -> None:
    """Take notice of a cancellation that a library below has swallowed."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
