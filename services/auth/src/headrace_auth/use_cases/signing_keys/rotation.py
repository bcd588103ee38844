"""The keys that sign access tokens: made in time, handed out as a set, deleted when retired."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from headrace_auth.crypto import signing_keys
from headrace_auth.crypto.sealing import Sealer
from headrace_auth.crypto.signing_keys import SigningKey
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain import key_rotation
from headrace_auth.domain.key_rotation import RotationPolicy, Succession
from headrace_auth.ports import SealedSigningKey, SigningKeys
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import get_logger

REFRESH_SECONDS = 60.0
ATTEMPTS = 5
"""Of an administrator's rotation, each lost to another replica's that began at the same moment."""


class SigningKeyRotation:
    """One in each replica; the store decides between those that act at once.

    Every method raises HeadraceError: DEPENDENCY_UNAVAILABLE, or NOT_SERVING if the key-encryption
    key is not the one that the keys were stored under. The set in use then stays as it is.
    """

    def __init__(
        self,
        keys: SigningKeys,
        sealer: Sealer,
        tokens: AccessTokens,
        clock: Clock,
        policy: RotationPolicy,
    ) -> None:
        self._keys = keys
        self._sealer = sealer
        self._tokens = tokens
        self._clock = clock
        self._policy = policy
        self._opened: dict[str, SigningKey] = {}
        self._one_at_a_time = asyncio.Lock()

    async def keep_rotating(self, every_seconds: float = REFRESH_SECONDS) -> None:
        """Refresh every minute until cancelled; a failure is logged, and the next minute tries."""
        while True:
            await asyncio.sleep(every_seconds)
            try:
                await self.refresh()
            except HeadraceError as error:
                get_logger().warning("signing_keys_not_refreshed", reason=error.reason.value)

    async def refresh(self) -> None:
        """Make a key if one is due, delete what has retired, and use what there is now."""
        async with self._one_at_a_time:
            stored = await self._keys.all()
            succession = key_rotation.due(stored, self._clock.now(), self._policy)
            if succession is not None:
                await self._add(stored, succession)
                stored = await self._keys.all()
            await self._use(stored)

    async def rotate_now(self, *, withdraw: bool = False) -> SealedSigningKey:
        """The next key, which begins to sign after the lead; the one that waits, if one does.

        With `withdraw` all others end when it begins, in three minutes: for when a key may have
        become known to somebody else. Their tokens end with them, and people log in again.
        """
        async with self._one_at_a_time:
            for _ in range(ATTEMPTS):
                key = await self._rotate(withdraw=withdraw)
                await self._use(await self._keys.all())
                if key is not None:
                    return key
        raise HeadraceError(
            Reason.DEPENDENCY_UNAVAILABLE,
            "the signing keys change all the time",
            retry_after_seconds=1,
        )

    async def _rotate(self, *, withdraw: bool) -> SealedSigningKey | None:
        stored, now = await self._keys.all(), self._clock.now()
        if withdraw:
            return await self._add(stored, key_rotation.withdrawing(now))
        newest = key_rotation.newest_of(stored)
        if newest is not None and newest.activates_at > now:
            return newest
        return await self._add(stored, key_rotation.planned(now, self._policy))

    async def _add(
        self, stored: Sequence[SealedSigningKey], succession: Succession
    ) -> SealedSigningKey | None:
        """A new key, in the store; None if the store's keys are no longer those."""
        key = await asyncio.to_thread(
            signing_keys.generate,
            self._policy.algorithm,
            self._sealer,
            created_at=self._clock.now(),
            activates_at=succession.activates_at,
        )
        known = {other.kid for other in stored}
        retire_at = succession.others_retire_at
        if not await self._keys.add(key, known=known, others_retire_at=retire_at):
            return None
        get_logger().info("signing_key_added", target=key.kid)
        return key

    async def _use(self, stored: Sequence[SealedSigningKey]) -> None:
        """Hand out the keys, then delete the retired, which nobody believes any more."""
        now = self._clock.now()
        retired = [key.kid for key in key_rotation.retired(stored, now)]
        opened = {key.kid: self._open(key) for key in stored if key.kid not in retired}
        if opened != self._opened:
            self._tokens.use(list(opened.values()))
            self._opened = opened
        if retired:
            await self._keys.delete(retired)
            get_logger().info("signing_keys_deleted", count=len(retired))

    def _open(self, key: SealedSigningKey) -> SigningKey:
        """Opened once; what changes later is when it retires."""
        known = self._opened.get(key.kid) or signing_keys.unseal(key, self._sealer)
        return replace(known, retires_at=key.retires_at)
