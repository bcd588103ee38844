"""identify: from a credential to the principal behind it."""

import asyncio
import hashlib
from dataclasses import dataclass, replace

from cachetools import TTLCache

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Kind, Reason, credential_invalid
from headrace_common.logs import get_logger
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.domain.principal import API_KEY_PREFIX, Principal
from headrace_gateway.ports import CredentialResolver, TokenVerifier
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.stages.signed_requests import SignedRequests

MAXIMUM_CREDENTIAL_CHARACTERS = 4096
OUTAGE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """A principal, when `auth` last vouched for it, and when to ask again."""

    principal: Principal
    resolved_at: float
    ask_again_at: float


class Identify:
    """Resolves credentials through `auth` and remembers them for a short time.

    Memory is keyed by the SHA-256 of the whole credential. Within `fresh_seconds` of its resolution
    nothing else is looked at, except that its expiry counts at every use; then a token is verified
    again, and `auth` is asked. While `auth` does not answer, a known principal goes on for
    `stale_seconds`; an outage is never a 401.
    """

    def __init__(
        self,
        resolver: CredentialResolver,
        verifier: TokenVerifier,
        clock: Clock,
        ended: Ended,
        *,
        fresh_seconds: float,
        stale_seconds: float,
        maximum_strangers: int,
        maximum_known: int = 20_000,
    ) -> None:
        self._resolver = resolver
        self._verifier = verifier
        self._clock = clock
        self._ended = ended
        self._signed_requests = SignedRequests(resolver, maximum_in_flight=maximum_strangers)
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._known: TTLCache[bytes, Known] = TTLCache(
            maximum_known, stale_seconds, timer=clock.monotonic
        )
        self._maximum_strangers = maximum_strangers
        self._resolving: dict[bytes, asyncio.Task[Principal]] = {}

    async def run(self, exchange: Exchange) -> Principal:
        """Find and note who asks; raises CREDENTIAL_MISSING or CREDENTIAL_INVALID."""
        principal = await self._principal(exchange)
        if principal.expires_at is not None and principal.expires_at <= self._clock.now():
            raise credential_invalid()
        principal.require_network(exchange.source_address)
        exchange.principal = principal
        return principal

    async def again(self, exchange: Exchange) -> Principal:
        """As `run`, but nothing is remembered: what was known has been announced to have ended."""
        if exchange.signed is not None:
            # What a moment ago was found has ended since, and the signature cannot be shown twice.
            raise credential_invalid()
        self._unlearn(_digest(exchange.credential))
        return await self.run(exchange)

    async def _principal(self, exchange: Exchange) -> Principal:
        if exchange.signature_fault is not None:
            raise exchange.signature_fault
        if exchange.signed is not None:
            if exchange.credential:
                raise credential_invalid()  # two callers in one request
            return await self._signed_requests.resolve(exchange.signed)
        credential = exchange.credential
        if not credential:
            raise HeadraceError(
                Reason.CREDENTIAL_MISSING,
                "No API key or access token provided. Send it as `Authorization: Bearer ...`.",
            )
        if len(credential) > MAXIMUM_CREDENTIAL_CHARACTERS or not credential.isascii():
            raise credential_invalid()
        digest = _digest(credential)
        known = self._remembered(digest)
        exchange.from_memory = known is not None and self._clock.monotonic() < known.ask_again_at
        if known is not None and exchange.from_memory:
            return known.principal
        return await self._find(exchange, digest, known)

    def _remembered(self, digest: bytes) -> Known | None:
        """What is known and has not been announced to have ended."""
        known = self._known.get(digest)
        if known is not None and self._ended.has(known.principal):
            self._unlearn(digest)
            return None
        return known

    async def _find(self, exchange: Exchange, digest: bytes, known: Known | None) -> Principal:
        """The principal as `auth` tells it, or as it was told while `auth` does not answer."""
        credential = exchange.credential
        if not credential.startswith(API_KEY_PREFIX):
            self._verifier.verify(credential)
        if known is None:
            self._refuse_crowd(digest)
        now = self._clock.monotonic()
        try:
            principal = await self._resolve_once(digest, credential)
        except HeadraceError as error:
            if error.kind is Kind.UNAUTHENTICATED:
                self._known.pop(digest, None)
                raise credential_invalid() from error
            if known is None or now - known.resolved_at >= self._stale_seconds:
                raise
            get_logger().warning("principal_from_memory", reason=error.reason.value)
            # Not every request waits for an `auth` that hangs.
            self._known[digest] = replace(known, ask_again_at=now + OUTAGE_PAUSE_SECONDS)
            exchange.from_memory = True
            return known.principal
        self._known[digest] = Known(principal, now, now + self._fresh_seconds)
        return principal

    def _unlearn(self, digest: bytes) -> None:
        """Also what `auth` was asked before, whose answer may be older than the end."""
        self._known.pop(digest, None)
        self._resolving.pop(digest, None)

    def _refuse_crowd(self, digest: bytes) -> None:
        """While `auth` hangs, strangers must not take the places of those who are known."""
        if digest not in self._resolving and len(self._resolving) >= self._maximum_strangers:
            raise HeadraceError(
                Reason.QUEUE_FULL, "Too many credentials are being checked.", retry_after_seconds=1
            )

    async def _resolve_once(self, digest: bytes, credential: str) -> Principal:
        """One question to `auth` however many requests wait for its answer."""
        task = self._resolving.get(digest)
        if task is None:
            task = asyncio.create_task(self._resolver.resolve(credential))
            self._resolving[digest] = task
            task.add_done_callback(lambda done: self._forget(digest, done))
        return await asyncio.shield(task)

    def _forget(self, digest: bytes, done: asyncio.Task[Principal]) -> None:
        if self._resolving.get(digest) is done:
            del self._resolving[digest]
        if not done.cancelled():
            done.exception()  # all who waited may have left; the error is theirs alone


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode()).digest()
