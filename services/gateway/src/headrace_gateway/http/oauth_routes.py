"""`/oauth2/token`, `/revoke` and `/introspect`: what applications call by themselves.

Requests and answers pass through as they are: `auth` reads and writes them as the RFCs say. What
fails before or on the way there is told in the same form (RFC 6749, section 5.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from headrace_common.errors import HeadraceError, Kind, Reason
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.bodies import is_form, read_body
from headrace_gateway.http.errors import OURS_TO_RETRY, retry_headers, status_of
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.ports import AccountAnswer

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the three; requests come by POST only, so that no secret is in a URI."""

    path: str
    call: str
    summary: str


ENDPOINTS = (
    Endpoint("/oauth2/token", "IssueToken", "Get tokens (RFC 6749, section 3.2)"),
    Endpoint("/oauth2/revoke", "RevokeToken", "Revoke a token (RFC 7009)"),
    Endpoint("/oauth2/introspect", "IntrospectToken", "Ask about a token (RFC 7662)"),
)


class OAuthRefusalError(HeadraceError):
    """What `auth` answered is a refusal: it goes out as it is, and into the audit as refused."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        unauthenticated = answer["status"] == 401
        reason = Reason.CREDENTIAL_INVALID if unauthenticated else Reason.INVALID_FIELD
        super().__init__(reason, "the OAuth request was refused")
        self.answer = answer


def create_oauth_router(door: FrontDoor) -> APIRouter:
    """The three endpoints."""
    router = APIRouter(tags=["oauth2"])
    for endpoint in ENDPOINTS:
        router.add_api_route(
            endpoint.path,
            _route(door, f"OAuthService/{endpoint.call}"),
            methods=["POST"],
            summary=endpoint.summary,
            operation_id=f"POST {endpoint.path}",
            openapi_extra=_description(),
            response_model=None,
        )
    return router


def _route(door: FrontDoor, call: str) -> Callable[[Request], Any]:
    async def route(request: Request) -> Response:
        exchange = open_exchange(request, Activity.SESSION, door.clock)

        async def work() -> AccountAnswer:
            answer = await door.accounts.call(
                call, {"form": await _form(request, exchange)}, exchange
            )
            if answer.principal is not None:
                exchange.principal = answer.principal
            if answer.fields["answer"]["status"] >= 400:
                raise OAuthRefusalError(answer.fields["answer"])
            return answer

        try:
            answer = await door.pipeline.log_in(exchange, work)
        except OAuthRefusalError as refused:
            return _response(refused.answer)
        except HeadraceError as error:
            return _failure(error)
        return _response(answer.fields["answer"])

    return route


async def _form(request: Request, exchange: Exchange) -> dict[str, Any]:
    if not is_form(request):
        rule = "the body must be application/x-www-form-urlencoded"
        raise HeadraceError(Reason.INVALID_FIELD, rule)
    return {
        "body": await read_body(request, exchange),
        "query": request.scope["query_string"],
        # Two headers are one list (RFC 9110, section 5.3), and no credential.
        "authorization": ", ".join(request.headers.getlist("authorization")),
    }


def _response(answer: Mapping[str, Any]) -> Response:
    return Response(
        answer["body_json"], status_code=answer["status"], headers=dict(answer["headers"])
    )


def _failure(error: HeadraceError) -> Response:
    if error.kind in OURS_TO_RETRY:
        code = "temporarily_unavailable"
    else:
        code = "server_error" if error.kind is Kind.INTERNAL else "invalid_request"
    return Response(
        orjson.dumps({"error": code, "error_description": error.message}),
        status_code=status_of(error),
        media_type="application/json",
        headers={**NO_STORE, **retry_headers(error)},
    )


def _description() -> dict[str, Any]:
    form = {"schema": {"type": "object", "additionalProperties": {"type": "string"}}}
    content = {"application/x-www-form-urlencoded": form}
    error = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    }
    refused = {"description": "Any error", "content": {"application/json": {"schema": error}}}
    return {
        "requestBody": {"required": True, "content": content},
        "responses": {"default": refused},
        "security": [],
    }
