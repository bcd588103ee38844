"""Bounds what people who have not logged in can ask for: from one address, and to one mailbox."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import (
    LockoutPolicy,
    LoginFailures,
    address_subject,
    after_failure,
    mailbox_subject,
    wait_seconds,
)
from headrace_auth.domain.refusals import too_many_requests
from headrace_auth.use_cases.acts import Act, Acts


class AskingThrottle:
    """Counts as failed logins are counted, under names of its own."""

    def __init__(self, acts: Acts, mailbox: LockoutPolicy, address: LockoutPolicy) -> None:
        self._acts = acts
        self._mailbox = mailbox
        self._address = address

    async def begin(self, caller: Caller) -> None:
        """Count what the caller asks for; raises REQUEST_RATE_LIMITED."""
        if not caller.source_address:
            return
        async with self._acts.begin(caller) as act:
            subject = address_subject(caller.source_address, "asking address")
            wait = await _count(act, subject, self._address)
            if wait > 0:
                raise too_many_requests(wait)

    async def may_send(self, act: Act, email: str) -> bool:
        """Whether this mailbox, of an account or not, may get one more mail that a stranger causes.

        Callers tell nobody if not.
        """
        return await _count(act, mailbox_subject(email), self._mailbox) <= 0


async def _count(act: Act, subject: str, policy: LockoutPolicy) -> float:
    """Count once more unless there is something to wait for, in seconds."""
    await act.alone(f"asking {subject}")
    # Locked: what is old is forgotten beside this.
    known = await act.of(LoginFailures).get(subject, lock=True)
    wait = wait_seconds(known, act.now)
    if wait <= 0:
        counted = after_failure(subject, known, act.now, policy)
        await (act.of(LoginFailures).put(counted) if known else act.of(LoginFailures).add(counted))
    return wait
