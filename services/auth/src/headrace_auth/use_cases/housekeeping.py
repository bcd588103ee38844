"""Forgets what has had its day: sessions, tokens, codes, failures and revocations."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headrace_auth.domain.announcements import REVOCATIONS_KEPT, Revocation
from headrace_auth.domain.lockout import LONGEST_MEMORY, LoginFailures
from headrace_auth.domain.oauth_grants import AuthorizationCode, AuthorizationRequest
from headrace_auth.domain.sessions import OneTimeToken, RefreshToken, Session
from headrace_auth.ports import Store
from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger

PERIOD_SECONDS = 3600.0
BATCH = 500
"""Records of one transaction, which ends well within the store's deadline."""
MARGIN = timedelta(hours=1)
"""For clocks that differ."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Records of this type go when `field` is older than `age`."""

    record_type: Any
    field: str
    age: timedelta = MARGIN


class Housekeeping:
    """One per process; of several processes one at a time works."""

    def __init__(self, store: Store, *, access_token_seconds: int) -> None:
        self._store = store
        token_life = timedelta(seconds=access_token_seconds)
        self._rules = (
            # Tokens first: a session takes all of its own with it, in one step.
            Rule(RefreshToken, "expires_at"),
            Rule(Session, "expires_at"),
            Rule(OneTimeToken, "expires_at"),
            Rule(AuthorizationRequest, "expires_at"),
            Rule(AuthorizationCode, "expires_at"),
            Rule(LoginFailures, "last_failed_at", LONGEST_MEMORY),
            # A token that was revoked has expired by then, and no gateway refuses the id any more.
            Rule(Revocation, "announced_at", max(token_life, REVOCATIONS_KEPT) + MARGIN),
        )

    async def keep_house(self, period_seconds: float = PERIOD_SECONDS) -> None:
        """Clean up now and then, for ever; a database that is away is asked the next time."""
        while True:
            try:
                await self.clean_up()
            except HeadraceError as error:
                get_logger().warning("housekeeping_failed", reason=error.reason.value)
            await asyncio.sleep(period_seconds)

    async def clean_up(self) -> int:
        """How many records were forgotten."""
        count = 0
        for rule in self._rules:
            while batch := await self._forget_some(rule):
                count += batch
                if batch < BATCH:
                    break
        if count:
            get_logger().info("housekeeping_done", count=count)
        return count

    async def _forget_some(self, rule: Rule) -> int:
        async with self._store.begin() as transaction:
            await transaction.alone("housekeeping")
            before = await transaction.now() - rule.age
            return await transaction.of(rule.record_type).purge(rule.field, before, BATCH)
