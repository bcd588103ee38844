"""Who waits, by tenant and priority, and in which order one would let them in."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class Priority(StrEnum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks of the engine; `max_tokens` is per choice, and fits the context."""

    tenant: str
    priority: Priority
    choices: int
    prompt_tokens: int
    max_tokens: int

    @property
    def tokens(self) -> int:
        """What it may take at most."""
        return self.prompt_tokens + self.choices * self.max_tokens


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the line; `turn` is done when it is let in, or fails when it is sent away."""

    demand: Demand
    arrived: float
    turn: asyncio.Future[None]


@dataclass(slots=True)
class _Tenant:
    lines: dict[Priority, deque[Ticket]] = field(
        default_factory=lambda: {priority: deque() for priority in Priority}
    )
    requests: int = 0
    tokens: int = 0


class WaitingLine:
    """First come, first served within a tenant and priority.

    What is for a batch counts as interactive once it has waited for `ageing_seconds`, so that it is
    let in at last however much interactive work comes.
    """

    def __init__(self, ageing_seconds: float) -> None:
        self._ageing_seconds = ageing_seconds
        self._tenants: dict[str, _Tenant] = {}
        self.requests = 0
        self.slots = 0
        self.tokens = 0

    def __contains__(self, tenant: str) -> bool:
        return tenant in self._tenants

    @property
    def tenants(self) -> list[str]:
        """Those that have anything here."""
        return list(self._tenants)

    def requests_of(self, tenant: str) -> int:
        """How many requests of the tenant wait."""
        return self._tenants[tenant].requests if tenant in self._tenants else 0

    def tokens_of(self, tenant: str) -> int:
        """What the tenant's waiting requests may take at most."""
        return self._tenants[tenant].tokens if tenant in self._tenants else 0

    def append(self, ticket: Ticket) -> None:
        tenant = self._tenants.setdefault(ticket.demand.tenant, _Tenant())
        tenant.lines[ticket.demand.priority].append(ticket)
        self._count(tenant, ticket.demand, 1)

    def discard(self, ticket: Ticket) -> None:
        """Take it out, if it is still here."""
        name = ticket.demand.tenant
        tenant = self._tenants.get(name)
        if tenant is None or ticket not in tenant.lines[ticket.demand.priority]:
            return
        tenant.lines[ticket.demand.priority].remove(ticket)
        self._count(tenant, ticket.demand, -1)
        if not tenant.requests:
            del self._tenants[name]

    def heads(self, now: float) -> list[Ticket]:
        """The next ticket of each tenant, of those whose next one has the highest priority."""
        heads = [self._head(tenant, now) for tenant in self._tenants.values()]
        best = min(rank for rank, _ in heads)
        return [ticket for rank, ticket in heads if rank == best]

    def newest(self, tenant: str) -> Ticket:
        """What the tenant would miss least: its last for a batch, or else its last."""
        lines = self._tenants[tenant].lines
        return (lines[Priority.BATCH] or lines[Priority.INTERACTIVE])[-1]

    def _head(self, tenant: _Tenant, now: float) -> tuple[int, Ticket]:
        firsts = (line[0] for line in tenant.lines.values() if line)
        ranked = ((self._rank(ticket, now), ticket) for ticket in firsts)
        return min(ranked, key=lambda each: (each[0], each[1].arrived))

    def _rank(self, ticket: Ticket, now: float) -> int:
        aged = now - ticket.arrived >= self._ageing_seconds
        return 0 if aged or ticket.demand.priority is Priority.INTERACTIVE else 1

    def _count(self, tenant: _Tenant, demand: Demand, sign: int) -> None:
        tenant.requests += sign
        tenant.tokens += sign * demand.tokens
        self.requests += sign
        self.slots += sign * demand.choices
        self.tokens += sign * demand.tokens
