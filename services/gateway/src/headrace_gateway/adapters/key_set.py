"""Checks access tokens against `auth`'s public keys, fetched and kept in memory."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from headrace.auth.v1 import auth_pb2
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason, credential_invalid
from headrace_common.logs import get_logger
from headrace_common.signed_tokens import (
    InvalidTokenError,
    PublicKey,
    TokenVerifier,
    UnknownKeyError,
)

REFRESH_SECONDS = 60.0
RETRY_SECONDS = 0.5


class KeySource(Protocol):
    """Publishes the keys, as `auth` does."""

    async def key_set(self) -> auth_pb2.GetJsonWebKeySetResponse:
        """Raises HeadraceError when they cannot be had."""


class KeySet:
    """TokenVerifier and PublishedKeys over keys that a background task keeps fresh."""

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._verifier: TokenVerifier | None = None
        self._keys: tuple[PublicKey, ...] = ()
        self._unknown_key_seen = asyncio.Event()
        self.known = asyncio.Event()
        """Set once keys have been fetched."""

    def verify(self, token: str) -> None:
        verifier = self._verifier
        if verifier is None:
            raise HeadraceError(
                Reason.NOT_SERVING, "Tokens cannot be checked yet.", retry_after_seconds=1
            )
        try:
            verifier.verify(token, self._clock.now())
        except InvalidTokenError as error:
            if isinstance(error, UnknownKeyError):
                self._unknown_key_seen.set()
            raise credential_invalid() from error

    def jwks(self) -> Sequence[Mapping[str, Any]]:
        if self._verifier is None:
            raise HeadraceError(
                Reason.NOT_SERVING, "The keys are not known yet.", retry_after_seconds=1
            )
        return [key.jwk for key in self._keys]

    async def keep_fresh(self) -> None:
        """Fetch the keys every minute, and soon after a token named an unknown one."""
        while True:
            fetched = await self._fetch()
            self._unknown_key_seen.clear()
            if not fetched:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await asyncio.sleep(RETRY_SECONDS)  # however many unknown keys are tried
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._unknown_key_seen.wait()
            except TimeoutError:
                continue

    async def _fetch(self) -> bool:
        try:
            response = await self._source.key_set()
        except HeadraceError as error:
            get_logger().warning("key_set_not_fetched", reason=error.reason.value)
            return False
        self._keys = tuple(
            PublicKey(message.kid, json.loads(message.jwk_json)) for message in response.keys
        )
        self._verifier = TokenVerifier(
            self._keys, issuer=response.issuer, audience=response.audience
        )
        self.known.set()
        return True
