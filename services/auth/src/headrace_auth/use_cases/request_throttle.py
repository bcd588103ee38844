"""Bounds what strangers can ask for, from one address, and what anybody has sent to one mailbox."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import (
    LockoutPolicy,
    address_subject,
    mailbox_subject,
    wait_seconds,
)
from headrace_auth.domain.refusals import too_many_requests
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.failure_counts import count_failure, failures_of


class RequestThrottle:
    """Counts as failed logins are counted, under names of its own."""

    def __init__(
        self,
        acts: Acts,
        mailbox: LockoutPolicy,
        address: LockoutPolicy,
        *,
        doing: str = "requests of address",
    ) -> None:
        """What is counted from one address is counted apart for each `doing`."""
        self._acts = acts
        self._mailbox = mailbox
        self._address = address
        self._doing = doing

    async def begin(self, caller: Caller) -> None:
        """Count what the caller asks for; raises REQUEST_RATE_LIMITED."""
        if not caller.source_address:
            return
        async with self._acts.begin(caller) as act:
            subject = address_subject(caller.source_address, self._doing)
            wait = await _count(act, subject, self._address)
            if wait > 0:
                raise too_many_requests(wait)

    async def allows_mail_to(self, act: Act, email: str) -> bool:
        """Count a mail that a stranger causes, and whether this mailbox may still get it.

        Callers tell nobody if not, nor whether the mailbox is an account's.
        """
        return await _count(act, mailbox_subject(email), self._mailbox) <= 0

    async def count_mail_and_find_user(self, act: Act, email: str) -> User | None:
        """Who is to get a mail that a stranger asked for: None for nobody, whatever the reason.

        Counted either way; the account with this address may be disabled, or `allows_mail_to` not.
        """
        allowed = await self.allows_mail_to(act, email)
        user = next(iter(await act.of(User).find(email=email)), None)
        return user if allowed and user is not None and user.disabled_at is None else None

    async def check_mailbox(self, act: Act, email: str) -> None:
        """Count a mail that the caller knows to cause; raises REQUEST_RATE_LIMITED."""
        wait = await _count(act, mailbox_subject(email), self._mailbox)
        if wait > 0:
            raise too_many_requests(wait)


async def _count(act: Act, subject: str, policy: LockoutPolicy) -> float:
    """Count once more unless there is something to wait for, in seconds."""
    known = await failures_of(act, subject)
    wait = wait_seconds(known, act.now)
    if wait <= 0:
        await count_failure(act, subject, known, policy)
    return wait
