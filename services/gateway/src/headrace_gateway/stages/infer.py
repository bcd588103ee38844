"""infer: asks the servers of a route, one after the other, until one answers.

This is the only place that moves a request to another server. The mesh may repeat connecting, and
gRPC repeats nothing. Until an answer has begun every server of the route may be asked; from then
until its first token those of the same model, since the caller has been told which one it is; after
that none.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import CompletionRequest, Delta, Events, Started
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings, ModelRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.failover import ELSEWHERE, goes_elsewhere
from headrace_gateway.routing_metrics import RoutingMetrics
from headrace_gateway.stages.route import Choice, Route

R = TypeVar("R", bound=ModelRequest)


class Infer:
    """Calls models; all attempts of a request share its deadline."""

    def __init__(
        self, metrics: RoutingMetrics, *, maximum_attempts: int, generation_seconds: float
    ) -> None:
        self._metrics = metrics
        self._maximum_attempts = maximum_attempts
        self._generation_seconds = generation_seconds

    async def generate(
        self, exchange: Exchange, tenant: str, request: CompletionRequest, route: Route
    ) -> Events:
        """Stream one answer. If nobody can answer, raises what the first server said."""
        attempts = self._attempts(exchange, route)
        spoken = False
        for choice in attempts:
            with choice.server.in_use():
                events = choice.server.target.generate(
                    exchange.request_id, tenant, _named(request, choice)
                )
                if attempts.made > 1:
                    events = _until(attempts.deadline, events)
                try:
                    async with aclosing(events):
                        async for event in events:
                            if not spoken:
                                if isinstance(event, Started) and not attempts.begin(event):
                                    continue
                                if spoken := isinstance(event, Delta):
                                    choice.server.note_speaking()
                            yield event
                except HeadraceError as error:
                    choice.server.note_failure(error)
                    attempts.note(error, final=spoken)
                except TimeoutError as error:
                    raise _out_of_time() from error
                else:
                    choice.server.note_answer()
                    return
        raise attempts.first_error()

    async def embed(
        self, exchange: Exchange, tenant: str, request: EmbeddingRequest, route: Route
    ) -> Embeddings:
        """Make vectors. If nobody can, raises what the first server said."""
        attempts = self._attempts(exchange, route)
        for choice in attempts:
            with choice.server.in_use():
                try:
                    async with asyncio.timeout_at(attempts.deadline if attempts.made > 1 else None):
                        embeddings = await choice.server.target.embed(
                            exchange.request_id, tenant, _named(request, choice)
                        )
                except HeadraceError as error:
                    choice.server.note_failure(error)
                    attempts.note(error, final=error.after_work)
                except TimeoutError as error:
                    raise _out_of_time() from error
                else:
                    choice.server.note_answer()
                    return embeddings
        raise attempts.first_error()

    def _attempts(self, exchange: Exchange, route: Route) -> "_Attempts":
        deadline = _now() + self._generation_seconds
        return _Attempts(exchange, route, self._metrics, self._maximum_attempts, deadline)


class _Attempts:
    """The servers that one request may be sent to, in order, and what came of it."""

    def __init__(
        self,
        exchange: Exchange,
        route: Route,
        metrics: RoutingMetrics,
        maximum: int,
        deadline: float,
    ) -> None:
        """`deadline` is of the loop's clock; the first attempt has the same one as its call's."""
        self._exchange = exchange
        self._route = route
        self._metrics = metrics
        self._maximum = maximum
        self._first_error: HeadraceError | None = None
        self._last_error: HeadraceError | None = None
        self._begun: Started | None = None
        self._is_fallback = False
        self.made = 0
        self.deadline = deadline

    def __iter__(self) -> Iterator[Choice]:
        for choice in self._route.choices:
            if self.made == self._maximum or (self.made and _now() >= self.deadline):
                return
            if self._begun is not None and choice.card.model.id != self._begun.model.id:
                continue
            if choice.server.closed:  # it left the table while others were asked
                continue
            self.made += 1
            if self._last_error is not None:
                self._metrics.count_retry(self._last_error.reason)
            if choice.group and not self._is_fallback:
                self._metrics.count_fallback(self._route.model)
            self._is_fallback = choice.group > 0
            self._exchange.note_attempt(choice.server.endpoint)
            yield choice

    def begin(self, started: Started) -> bool:
        """False if the caller has been told already, by an earlier attempt, that it has begun."""
        if self._begun is not None:
            self._exchange.model_version = started.model.version
            return False
        self._begun = started
        return True

    def note(self, error: HeadraceError, *, final: bool) -> None:
        """Raise the error unless another server may be asked."""
        if final or not goes_elsewhere(error, is_fallback=self._is_fallback):
            raise error
        self._last_error = error
        if error.reason in ELSEWHERE:  # a refusal by a fallback tells the caller nothing
            self._first_error = self._first_error or error

    def first_error(self) -> HeadraceError:
        """What the first server said, but for refusals by fallbacks."""
        return self._first_error or HeadraceError(
            Reason.DEPENDENCY_UNAVAILABLE,
            f"The servers of the model `{self._route.model}` cannot be reached.",
        )


async def _until(deadline: float, events: Events) -> Events:
    async with aclosing(events):
        while True:
            async with asyncio.timeout_at(deadline):
                event = await anext(events, None)
            if event is None:
                return
            yield event


def _out_of_time() -> HeadraceError:
    """No fault of the server that was asked last: it had the time that others had left."""
    return HeadraceError(
        Reason.DEPENDENCY_UNAVAILABLE, "The inference service did not answer in time."
    )


def _named(request: R, choice: Choice) -> R:
    """The request with the model's id at that server."""
    model = choice.card.model.id
    return request if request.model == model else replace(request, model=model)


def _now() -> float:
    return asyncio.get_running_loop().time()
