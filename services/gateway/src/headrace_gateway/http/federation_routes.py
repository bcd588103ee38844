"""`/oauth2/{provider}`: browsers on their way to an identity provider and back; redirects only.

No header of a request has a say in where anybody goes: `auth` knows the providers, its own public
URL and the front ends. What a request brings is passed on and never written back.
"""

from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.datastructures import QueryParams
from starlette.responses import Response

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.accounts.fields import FrontEndUri, ProofKey
from headrace_gateway.http.bodies import parse_query
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.ports import Accounts

START, COMPLETE = (
    "FederationService/StartFederatedLogin",
    "FederationService/CompleteFederatedLogin",
)
FOUND, SEE_OTHER = 302, 303
UNAVAILABLE = "temporarily_unavailable"


class StartQuery(BaseModel):
    """What a front end begins with."""

    model_config = ConfigDict(frozen=True)

    redirect_uri: FrontEndUri
    code_challenge: ProofKey
    code_challenge_method: Literal["S256"] = "S256"


class CallbackQuery(BaseModel):
    """What a provider's redirection brings (RFC 6749, section 4.1.2)."""

    model_config = ConfigDict(frozen=True)

    state: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code: Annotated[str, StringConstraints(max_length=4096)] = ""
    error: Annotated[str, StringConstraints(max_length=200)] = ""


def create_federation_router(door: FrontDoor) -> APIRouter:
    """The two routes; what goes wrong before anybody knows the front end is a JSON error."""
    router = APIRouter(prefix="/oauth2", tags=["auth"])

    @router.get("/{provider}/login", status_code=FOUND, **_described(StartQuery))
    async def begin(request: Request, provider: str) -> Response:
        """Go to an identity provider to log in."""
        exchange = open_exchange(request, Activity.LOGIN, door.clock)
        work = partial(_authorization_url, door.accounts, exchange, request, provider)
        return _redirect(FOUND, await door.pipeline.log_in(exchange, work))

    @router.get("/{provider}/callback", status_code=SEE_OTHER, **_described(CallbackQuery))
    async def complete(request: Request, provider: str) -> Response:
        """Come back from an identity provider; the front end gets a login code in the fragment."""
        exchange = open_exchange(request, Activity.LOGIN, door.clock)
        work = partial(_landing_url, door.accounts, exchange, request, provider)
        try:
            location = await door.pipeline.log_in(exchange, work)
        except _RefusedError as refused:
            location = _landing(refused.redirect_uri, error=refused.code)
        return _redirect(SEE_OTHER, location)

    return router


async def _authorization_url(
    accounts: Accounts, exchange: Exchange, request: Request, provider: str
) -> str:
    query = parse_query(StartQuery, _once(request.query_params))
    fields = {
        "provider": provider,
        "redirect_uri": query.redirect_uri,
        "code_challenge": query.code_challenge,
    }
    answer = await accounts.call(START, fields, exchange)
    return str(answer.fields["authorization_url"])


async def _landing_url(
    accounts: Accounts, exchange: Exchange, request: Request, provider: str
) -> str:
    """Raises _RefusedError."""
    query = parse_query(CallbackQuery, _once(request.query_params))
    fields = {"provider": provider, **query.model_dump()}
    landing = (await accounts.call(COMPLETE, fields, exchange)).fields
    if landing["error"]:
        raise _RefusedError(landing["redirect_uri"], landing["error"])
    return _landing(landing["redirect_uri"], code=landing["login_code"])


class _RefusedError(HeadraceError):
    """Recorded as a login that failed, and told to the front end."""

    def __init__(self, redirect_uri: str, code: str) -> None:
        unavailable = code == UNAVAILABLE
        reason = Reason.DEPENDENCY_UNAVAILABLE if unavailable else Reason.LOGIN_FAILED
        super().__init__(reason, "The login through the identity provider was refused.")
        self.redirect_uri = redirect_uri
        self.code = code


def _landing(redirect_uri: str, **outcome: str) -> str:
    """The front end's URL with the outcome in the fragment, which a browser sends to nobody."""
    return f"{redirect_uri}#{urlencode(outcome)}"


def _redirect(status: int, location: str) -> Response:
    return Response(status_code=status, headers={"location": location})


def _once(parameters: QueryParams) -> QueryParams:
    """Raises INVALID_FIELD if one is given twice (RFC 6749, section 3.1)."""
    if len(parameters.multi_items()) != len(parameters):
        raise HeadraceError(Reason.INVALID_FIELD, "A parameter of the query is given twice.")
    return parameters


def _described(query: type[BaseModel]) -> dict[str, Any]:
    """For the API's description: the routes read their queries themselves, for anybody."""
    schema = query.model_json_schema()
    required = schema["required"]
    parameters = [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]
    return {"openapi_extra": {"parameters": parameters, "security": []}}
