"""Writing off sessions that are dead already: their user or their application has ended."""

from dataclasses import replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.acts import AT_ONCE, Acts


async def end_dead_sessions(acts: Acts, caller: Caller, **equals: str) -> None:
    """End all sessions with these values, in several acts: there may be very many.

    What has killed them is announced already; until this is done people may still see some in their
    lists. The audit's actor is the caller; whose session it was is in its record.
    """
    more = True
    while more:
        async with acts.begin(caller) as act:
            found = await act.of(Session).by_key(None, AT_ONCE, ended_at=None, **equals)
            for session in found:
                await act.change(session, replace(session, ended_at=act.now), "end")
        more = len(found) == AT_ONCE
