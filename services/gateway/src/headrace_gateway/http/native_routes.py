"""`/api/v1/auth` and `/api/v1/keys`: accounts and keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from headrace_gateway.domain.exchange import Act
from headrace_gateway.http.bodies import json_body, parse_body, read_body
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.native_schema import LoginBody, NewApiKeyBody, api_key_json
from headrace_gateway.ports import ApiKey, Session

BODIES = (LoginBody, NewApiKeyBody)


def create_auth_router(door: FrontDoor) -> APIRouter:
    """Logging in."""
    router = APIRouter(prefix="/api/v1/auth", tags=["auth"])

    @router.post("/login", openapi_extra=json_body(LoginBody))
    async def login(request: Request) -> dict[str, Any]:
        """Exchange e-mail and password for an access token."""
        exchange = open_exchange(request, Act.LOGIN, door.clock)

        async def log_in() -> Session:
            body = parse_body(LoginBody, await read_body(request))
            session = await door.accounts.login(body.email, body.password)
            exchange.principal = session.principal
            return session

        session = await door.pipeline.log_in(exchange, log_in)
        return {
            "access_token": session.access_token,
            "token_type": "Bearer",
            "expires_in": session.expires_in_seconds,
        }

    return router


def create_key_router(door: FrontDoor) -> APIRouter:
    """API keys."""
    router = APIRouter(prefix="/api/v1/keys", tags=["keys"])

    @router.post("", status_code=201, openapi_extra=json_body(NewApiKeyBody))
    async def create_key(request: Request) -> dict[str, Any]:
        """Make an API key; its secret is in this answer only."""
        exchange = open_exchange(request, Act.API_KEY_CREATE, door.clock)

        async def create() -> tuple[ApiKey, str]:
            wanted = parse_body(NewApiKeyBody, await read_body(request)).domain()
            key, secret = await door.accounts.create_key(exchange.credential, wanted)
            exchange.resource = f"api_key:{key.id}"
            return key, secret

        key, secret = await door.pipeline.administer(exchange, create)
        return {**api_key_json(key), "secret": secret}

    @router.get("")
    async def list_keys(
        request: Request,
        page_size: Annotated[int, Query(ge=1, le=100)] = 50,
        page_token: str = "",
    ) -> dict[str, Any]:
        """List the organisation's API keys, newest first."""
        exchange = open_exchange(request, Act.API_KEY_LIST, door.clock)
        keys, next_page = await door.pipeline.administer(
            exchange,
            lambda: door.accounts.list_keys(exchange.credential, page_size, page_token),
        )
        return {"data": [api_key_json(key) for key in keys], "next_page_token": next_page or None}

    @router.delete("/{key_id}")
    async def revoke_key(request: Request, key_id: str) -> dict[str, Any]:
        """Revoke an API key for good."""
        exchange = open_exchange(request, Act.API_KEY_REVOKE, door.clock)
        exchange.resource = f"api_key:{key_id}"
        key = await door.pipeline.administer(
            exchange, lambda: door.accounts.revoke_key(exchange.credential, key_id)
        )
        return api_key_json(key)

    return router
