"""`/oauth2/authorize`: a person is asked, and answers, in a browser (RFC 6749, section 4.1.1).

The form needs no token against forged ones: it works only with the id of a request, which nobody
knows but the browser that began it, and a yes only with a password, which no browser adds itself.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import StringConstraints
from starlette.responses import HTMLResponse, Response

from headrace_common.errors import HeadraceError, Kind, Reason
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.accounts.fields import OptionalCode, OptionalPassword
from headrace_gateway.http.bodies import Form, is_form, parse_form, read_body
from headrace_gateway.http.consent_page import ConsentPages
from headrace_gateway.http.consent_words import failure_in_words
from headrace_gateway.http.errors import retry_headers, status_of
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor

PATH = "/oauth2/authorize"
PAGE_OF_ERROR = {"description": "Any error", "content": {"text/html": {}}}
GONE = "This request has been answered already, or it has waited for too long."


class ConsentForm(Form):
    """What the page's form sends; a no needs neither e-mail nor password."""

    authorization_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    decision: Literal["allow", "deny"]
    email: Annotated[str, StringConstraints(max_length=254)] = ""
    password: OptionalPassword = ""
    code: OptionalCode = ""

    def fields(self) -> dict[str, Any]:
        """Those of the call that the decision stands for.

        Raises CREDENTIAL_MISSING for a yes of nobody: a token in a header is no proof here.
        """
        if self.decision == "deny":
            return self.model_dump(include={"authorization_id"})
        if not self.email or not self.password:
            raise HeadraceError(Reason.CREDENTIAL_MISSING, "a yes needs e-mail and password")
        return self.model_dump(exclude={"decision"})


class Consent:
    """Asks, and takes answers."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._pages = ConsentPages()

    async def ask(self, request: Request) -> Response:
        """The page, or one that says what is wrong with the request."""
        exchange = open_exchange(request, Activity.SESSION, self._door.clock)

        async def work() -> Mapping[str, Any]:
            fields = {"query": request.scope["query_string"]}
            return await self._call(exchange, "CheckAuthorization", fields)

        try:
            answer = await self._door.pipeline.log_in(exchange, work)
        except HeadraceError as error:
            return self._failure(error)
        if answer["location"] is not None:
            return self._pages.wrong_request(answer["location"])
        return self._pages.question(answer["authorization"])

    async def decide(self, request: Request) -> Response:
        """The way back to the application, or the page once more with what was wrong."""
        exchange = open_exchange(request, Activity.LOGIN, self._door.clock)
        form: ConsentForm | None = None

        async def work() -> Mapping[str, Any]:
            nonlocal form
            form = await self._read(request, exchange)
            call = "AllowClient" if form.decision == "allow" else "DenyClient"
            return await self._call(exchange, call, form.fields())

        try:
            answer = await self._door.pipeline.log_in(exchange, work)
        except HeadraceError as error:
            return await self._ask_again(exchange, form, error) if form else self._failure(error)
        return self._pages.way_back(answer["location"])

    async def _read(self, request: Request, exchange: Exchange) -> ConsentForm:
        if not is_form(request):
            raise HeadraceError(Reason.INVALID_FIELD, "The body is not a form.")
        return parse_form(ConsentForm, await read_body(request, exchange))

    async def _ask_again(
        self, exchange: Exchange, form: ConsentForm, error: HeadraceError
    ) -> Response:
        """Asks `auth` what the question was: nothing but its id comes back from a browser."""
        fields = {"authorization_id": form.authorization_id}
        try:
            answer = await self._call(exchange, "GetAuthorization", fields)
        except HeadraceError as gone:
            return self._failure(gone)
        page = self._pages.question(
            answer["authorization"],
            status=_page_status(error),
            message=failure_in_words(error),
            email=form.email,
            code_needed=bool(form.code) or error.reason is Reason.SECOND_FACTOR_REQUIRED,
        )
        page.headers.update(retry_headers(error))
        return page

    async def _call(
        self, exchange: Exchange, call: str, fields: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        answer = await self._door.accounts.call(f"OAuthService/{call}", fields, exchange)
        exchange.principal = answer.principal
        about = answer.fields.get("authorization") or answer.fields
        if about.get("client_id"):
            exchange.resource = f"client:{about['client_id']}"
        return answer.fields

    def _failure(self, error: HeadraceError) -> Response:
        gone = error.reason is Reason.RESOURCE_NOT_FOUND
        message = GONE if gone else failure_in_words(error)
        page = self._pages.failure(message, status=_page_status(error))
        page.headers.update(retry_headers(error))
        return page


def create_authorize_router(door: FrontDoor) -> APIRouter:
    """The page and its form."""
    router, consent = APIRouter(tags=["oauth2"]), Consent(door)
    for method, endpoint, summary in (
        ("GET", consent.ask, "Ask a person to allow an application something (a page)"),
        ("POST", consent.decide, "The person's answer (the page's form)"),
    ):
        router.add_api_route(
            PATH,
            endpoint,
            methods=[method],
            summary=summary,
            operation_id=f"{method} {PATH}",
            response_model=None,
            response_class=HTMLResponse,
            openapi_extra={"responses": {"default": PAGE_OF_ERROR}},
        )
    return router


def _page_status(error: HeadraceError) -> int:
    """A page is no answer to an HTTP authentication, so it is never 401."""
    return 403 if error.kind is Kind.UNAUTHENTICATED else status_of(error)
