"""`/.well-known`: what others need to verify our tokens and to find our endpoints."""

from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from headrace_common.errors import HeadraceError
from headrace_gateway.domain.answer_keys import PublishedAnswerKey
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor

JWKS_PATH = "/.well-known/jwks.json"
ANSWER_KEYS_PATH = "/.well-known/headrace-answer-keys.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
CACHE_SECONDS = 300
"""Less than a new key is published before it signs (`signing_key_lead_seconds` of `auth`)."""


class ServerMetadata:
    """The authorization server's document (RFC 8414), asked for as often as caches would.

    So strangers may ask as often as they like; and while `auth` is away, what is known stays.
    """

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._known: dict[str, Any] = {}
        self._ask_at = 0.0

    async def get(self, request: Request) -> dict[str, Any]:
        """Raises DEPENDENCY_UNAVAILABLE if nothing is known yet."""
        clock = self._door.clock
        if not self._known:
            self._known = await self._asked(open_exchange(request, Activity.SESSION, clock))
            self._ask_at = clock.monotonic() + CACHE_SECONDS
        elif clock.monotonic() >= self._ask_at:
            self._ask_at = clock.monotonic() + CACHE_SECONDS
            with suppress(HeadraceError):
                self._known = await self._asked(open_exchange(request, Activity.SESSION, clock))
        return self._known

    async def _asked(self, exchange: Exchange) -> dict[str, Any]:
        call = "OAuthService/GetServerMetadata"
        answer = await self._door.accounts.call(call, {}, exchange)
        document: dict[str, Any] = orjson.loads(answer.fields["metadata_json"])
        return document


def create_well_known_router(door: FrontDoor) -> APIRouter:
    """Documents for anybody, which caches may keep for a while."""
    router, metadata = APIRouter(tags=["auth"]), ServerMetadata(door)

    @router.get(JWKS_PATH, summary="Public keys of access tokens (RFC 7517)")
    async def jwks(response: Response) -> dict[str, Any]:
        response.headers["cache-control"] = f"public, max-age={CACHE_SECONDS}"
        return {"keys": list(door.published_keys.jwks())}

    @router.get(ANSWER_KEYS_PATH, summary="Public keys of signed answers (RFC 8037)")
    async def answer_keys(response: Response) -> dict[str, Any]:
        response.headers["cache-control"] = f"public, max-age={CACHE_SECONDS}"
        return {"keys": [_jwk(key) for key in door.answer_keys()]}

    @router.get(METADATA_PATH, summary="The authorization server's endpoints (RFC 8414)")
    async def server(request: Request, response: Response) -> dict[str, Any]:
        document = await metadata.get(request)
        response.headers["cache-control"] = f"public, max-age={CACHE_SECONDS}"
        return document

    return router


def _jwk(published: PublishedAnswerKey) -> dict[str, Any]:
    key = published.key
    named = {"kid": key.kid, "use": "sig", "alg": "EdDSA"}
    return {**key.jwk(), **named, "headrace_models": list(published.models)}
