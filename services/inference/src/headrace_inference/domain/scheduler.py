"""Lets requests into the engine: fair between tenants, bounded, and quick to say no."""

import asyncio
from dataclasses import dataclass

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.fair_shares import FairShares
from headrace_inference.domain.leaving import Leaving
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.throughput import Throughput
from headrace_inference.domain.waiting_line import Demand, Priority, Ticket, WaitingLine

LEAST_HINT_SECONDS = 1.0
MOST_HINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SchedulerBounds:
    """`slots` choices run at once, each of at most `context_tokens`. Of requests that wait there
    are so many, of so many tokens (prompt and answer), each for so long; after `ageing_seconds` a
    batch's is like any other."""

    slots: int
    context_tokens: int
    waiting_requests: int
    waiting_tokens: int
    waiting_seconds: float
    ageing_seconds: float


class Turn(Leaving):
    """Slots that a request holds until `leave`; `serve` counts what it is given meanwhile."""

    def __init__(self, scheduler: "Scheduler", demand: Demand) -> None:
        self._scheduler: Scheduler | None = scheduler
        self._demand = demand
        self._tokens = demand.prompt_tokens

    def serve(self, completion_tokens: int) -> None:
        """The engine has made so many tokens more."""
        self._tokens += completion_tokens
        if self._scheduler is not None:
            self._scheduler.serve(self._demand.tenant, completion_tokens)

    def leave(self) -> None:
        """Give the slots back; once."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            scheduler.release(self._demand, self._tokens)


class Scheduler:
    """The one way into the engine.

    The tenant that has been served the least is due. When the line is full, whoever fills most of
    it makes room: its newest request is sent away for somebody who waits with less, so that no
    tenant keeps others out by sending much.
    """

    def __init__(self, bounds: SchedulerBounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self._line = WaitingLine(bounds.ageing_seconds)
        self._shares = FairShares()
        self._throughput = Throughput(clock)
        self._running_requests = 0
        self._running_slots = 0
        self._tokens_in_flight = 0

    def load(self) -> LoadReport:
        """How busy it is now."""
        return LoadReport(
            slots=self._bounds.slots,
            running_requests=self._running_requests,
            running_slots=self._running_slots,
            waiting_requests=self._line.requests,
            waiting_slots=self._line.slots,
            waiting_tokens=self._line.tokens,
            tokens_in_flight=self._tokens_in_flight,
            tokens_per_second=self._throughput.per_second(),
            capacity_tokens=self._bounds.slots * self._bounds.context_tokens,
        )

    def require_room(self, tenant: str, choices: int) -> None:
        """Raise QUEUE_FULL if `enter` would: ask before work that only an answer is worth."""
        least = Demand(tenant, Priority.INTERACTIVE, choices, prompt_tokens=1, max_tokens=1)
        if self._must_wait(least):
            self._check_share(least)

    async def enter(self, demand: Demand) -> Turn:
        """Wait for the turn; being cancelled meanwhile leaves no trace.

        Raises QUEUE_FULL: at once if there is no room to wait, later if somebody with less in the
        line needs the room, or after `waiting_seconds`.
        """
        if demand.tenant not in self._line:
            self._shares.arrive(demand.tenant, self._line.tenants)
        if self._must_wait(demand):
            self._make_room(demand)
        if self._must_wait(demand):  # still, after others were sent away
            await self._wait(demand)
        else:
            self._admit(demand)
        return Turn(self, demand)

    def serve(self, tenant: str, completion_tokens: int) -> None:
        """Count tokens that were made for the tenant; called by Turn."""
        self._shares.serve(tenant, completion_tokens)
        self._throughput.add(completion_tokens)
        self._tokens_in_flight += completion_tokens

    def release(self, demand: Demand, tokens: int) -> None:
        """Take slots back, and `tokens` out of the engine; called by Turn."""
        self._running_requests -= 1
        self._running_slots -= demand.choices
        self._tokens_in_flight -= tokens
        self._let_in()

    def _free(self) -> int:
        return self._bounds.slots - self._running_slots

    def _must_wait(self, demand: Demand) -> bool:
        return self._line.requests > 0 or demand.choices > self._free()

    def _admit(self, demand: Demand) -> None:
        self._shares.let_in(demand.tenant, demand.prompt_tokens)
        self._running_requests += 1
        self._running_slots += demand.choices
        self._tokens_in_flight += demand.prompt_tokens

    def _let_in(self) -> None:
        while self._line.requests:
            heads = self._line.heads(self._clock.monotonic())
            due = self._shares.least([ticket.demand.tenant for ticket in heads])
            ticket = next(ticket for ticket in heads if ticket.demand.tenant == due)
            # Nobody overtakes whoever is due: what needs many slots would never get them.
            if ticket.demand.choices > self._free() and not ticket.turn.cancelled():
                return
            self._line.discard(ticket)
            if not ticket.turn.cancelled():
                self._admit(ticket.demand)
                ticket.turn.set_result(None)

    async def _wait(self, demand: Demand) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = Ticket(demand, self._clock.monotonic(), turn)
        self._line.append(ticket)
        try:
            async with asyncio.timeout(self._bounds.waiting_seconds):
                await turn
        except TimeoutError as error:
            self._withdraw(ticket)
            raise self._refusal("no slot of the model became free in time") from error
        except asyncio.CancelledError:
            self._withdraw(ticket)
            raise

    def _withdraw(self, ticket: Ticket) -> None:
        """Whoever waited is gone: out of the line, or out of the slots that it just got."""
        if ticket.turn.cancelled():
            self._line.discard(ticket)
            self._let_in()
        elif ticket.turn.exception() is None:
            self.release(ticket.demand, ticket.demand.prompt_tokens)

    def _make_room(self, demand: Demand) -> None:
        """Send away others' newest requests until this one may wait; raises QUEUE_FULL instead
        if its tenant would then fill more than an equal part of the line."""
        self._check_share(demand)
        while not self._has_room(demand):
            others = [tenant for tenant in self._line.tenants if tenant != demand.tenant]
            crowded = self._line.requests >= self._bounds.waiting_requests
            filled = self._line.requests_of if crowded else self._line.tokens_of
            ticket = self._line.newest(max(others, key=filled))
            self._line.discard(ticket)
            if not ticket.turn.done():
                ticket.turn.set_exception(self._full())

    def _check_share(self, demand: Demand) -> None:
        if self._has_room(demand):
            return
        tenants = len({demand.tenant, *self._line.tenants})
        requests = self._line.requests_of(demand.tenant) + 1
        tokens = self._line.tokens_of(demand.tenant) + demand.tokens
        bounds = self._bounds
        if requests * tenants > bounds.waiting_requests or tokens * tenants > bounds.waiting_tokens:
            raise self._full()

    def _has_room(self, demand: Demand) -> bool:
        """Whether the line takes it as it is; an empty one takes one of any size."""
        line, bounds = self._line, self._bounds
        fits = not line.requests or line.tokens + demand.tokens <= bounds.waiting_tokens
        return fits and line.requests < bounds.waiting_requests

    def _full(self) -> HeadraceError:
        return self._refusal("the model's queue is full; try again later")

    def _refusal(self, message: str) -> HeadraceError:
        """With a hint: when what waits now will have been served, as fast as it goes of late."""
        speed = self._throughput.per_second()
        seconds = self._line.tokens / speed if speed else LEAST_HINT_SECONDS
        hint = round(min(max(seconds, LEAST_HINT_SECONDS), MOST_HINT_SECONDS), 1)
        return HeadraceError(Reason.QUEUE_FULL, message, retry_after_seconds=hint)
