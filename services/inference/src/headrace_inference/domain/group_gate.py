"""Lets in members of one group at a time."""

import asyncio
from collections.abc import Hashable

from headrace_inference.domain.leaving import Leaving


class Membership(Leaving):
    """Being inside; `leave` ends it, once."""

    def __init__(self, gate: "GroupGate") -> None:
        self._gate: GroupGate | None = gate

    def leave(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release()


class GroupGate:
    """Any number of one group may be inside together.

    While somebody waits nobody overtakes; when all have left, whoever has waited longest enters
    with all of the same group. The caller bounds how many come.
    """

    def __init__(self) -> None:
        self._group: Hashable = None
        self._members = 0
        self._waiting: list[tuple[Hashable, asyncio.Future[None]]] = []

    async def enter(self, group: Hashable) -> Membership:
        """Wait for the group's turn; being cancelled meanwhile leaves no trace."""
        if self._waiting or (self._members and group != self._group):
            await self._wait(group)
        else:
            self._group = group
            self._members += 1
        return Membership(self)

    def release(self) -> None:
        """One has left; called by Membership."""
        self._members -= 1
        self._let_in()

    async def _wait(self, group: Hashable) -> None:
        ticket = (group, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        try:
            await ticket[1]
        except asyncio.CancelledError:
            if not ticket[1].cancelled():  # let in at the same moment
                self.release()
            else:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                self._let_in()
            raise

    def _let_in(self) -> None:
        if not self._waiting or (self._members and self._waiting[0][0] != self._group):
            return
        self._group = self._waiting[0][0]
        entering = [turn for group, turn in self._waiting if group == self._group]
        self._waiting = [ticket for ticket in self._waiting if ticket[0] != self._group]
        for turn in entering:
            if not turn.cancelled():
                self._members += 1
                turn.set_result(None)
