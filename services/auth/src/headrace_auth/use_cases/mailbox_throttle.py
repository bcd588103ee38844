"""Bounds what anybody has sent to one mailbox."""

from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import LockoutPolicy, mailbox_subject
from headrace_auth.domain.refusals import too_many_requests
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.failure_counts import count_unless_waiting


class MailboxThrottle:
    """Counts as failed logins are counted, under names of its own."""

    def __init__(self, policy: LockoutPolicy) -> None:
        self._policy = policy

    async def allows_mail_to(self, act: Act, email: str) -> bool:
        """Count a mail that a stranger causes, and whether this mailbox may still get it.

        Callers tell nobody if not, nor whether the mailbox is an account's.
        """
        return await self._count(act, email) <= 0

    async def count_mail_and_find_user(self, act: Act, email: str) -> User | None:
        """Who is to get a mail that a stranger asked for: None for nobody, whatever the reason.

        Counted either way; the account with this address may be disabled, or `allows_mail_to` not.
        """
        allowed = await self.allows_mail_to(act, email)
        user = next(iter(await act.of(User).find(email=email)), None)
        return user if allowed and user is not None and user.disabled_at is None else None

    async def check_mailbox(self, act: Act, email: str) -> None:
        """Count a mail that the caller knows to cause; raises REQUEST_RATE_LIMITED."""
        wait = await self._count(act, email)
        if wait > 0:
            raise too_many_requests(wait)

    async def _count(self, act: Act, email: str) -> float:
        return await count_unless_waiting(act, mailbox_subject(email), self._policy)
