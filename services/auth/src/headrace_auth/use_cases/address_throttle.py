"""Bounds what strangers can ask for from one address."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import LockoutPolicy, address_subject
from headrace_auth.domain.refusals import too_many_requests
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.failure_counts import count_unless_waiting


class AddressThrottle:
    """Counts as failed logins are counted, under names of its own."""

    def __init__(
        self, acts: Acts, policy: LockoutPolicy, *, doing: str = "requests of address"
    ) -> None:
        """What is counted from one address is counted apart for each `doing`."""
        self._acts = acts
        self._policy = policy
        self._doing = doing

    async def begin(self, caller: Caller) -> None:
        """Count what the caller asks for; raises REQUEST_RATE_LIMITED."""
        if not caller.source_address:
            return
        async with self._acts.begin(caller) as act:
            subject = address_subject(caller.source_address, self._doing)
            wait = await count_unless_waiting(act, subject, self._policy)
            if wait > 0:
                raise too_many_requests(wait)
