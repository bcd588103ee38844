"""`/.well-known`: what others need to verify our tokens."""

from typing import Any

from fastapi import APIRouter, Response

from headrace_gateway.http.front_door import FrontDoor

JWKS_PATH = "/.well-known/jwks.json"
CACHE_SECONDS = 300
"""Less than a new key is published before it signs (`signing_key_lead_seconds` of `auth`)."""


def create_well_known_router(door: FrontDoor) -> APIRouter:
    """Documents for anybody, which caches may keep for a while."""
    router = APIRouter(tags=["auth"])

    @router.get(JWKS_PATH, summary="Public keys of access tokens (RFC 7517)")
    async def jwks(response: Response) -> dict[str, Any]:
        response.headers["cache-control"] = f"public, max-age={CACHE_SECONDS}"
        return {"keys": list(door.published_keys.jwks())}

    return router
