"""A limiter in memory that is to a gateway what Redis is: it knows who ended, and may be away."""

import asyncio
from collections.abc import Sequence

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.memory_limiter import MemoryLimiter
from headrace_gateway.domain.admission import Admission, Demand, Holding, Settlement
from headrace_gateway.domain.principal import Principal


class FakeLimiter(MemoryLimiter):
    """A MemoryLimiter with switches."""

    def __init__(self, clock: Clock, *, lease_seconds: float = 30.0) -> None:
        super().__init__(clock, lease_seconds=lease_seconds)
        self.revoked: set[tuple[str, str]] = set()
        """Organisations and revocation ids that are marked."""
        self.unavailable = False
        self.door = asyncio.Event()
        """Nobody is admitted while it is not set."""
        self.door.set()

    async def admit(self, principal: Principal, demand: Demand) -> Admission:
        await self.door.wait()
        self._check_available()
        ids = principal.revocation_ids
        if any((principal.organization_id, each) in self.revoked for each in ids):
            return Admission(revoked=True)
        return await super().admit(principal, demand)

    async def extend(self, holding: Holding, more_micros: int) -> int:
        self._check_available()
        return await super().extend(holding, more_micros)

    async def renew(self, holdings: Sequence[Holding]) -> None:
        self._check_available()
        await super().renew(holdings)

    async def settle(self, settlement: Settlement) -> None:
        self._check_available()
        await super().settle(settlement)

    def _check_available(self) -> None:
        if self.unavailable:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "Redis does not answer")
