"""How a row of a table of routes becomes a route: to a call of `auth`, and back to JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request

from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.bodies import (
    Body,
    Form,
    Query,
    is_form,
    json_body,
    parse_body,
    parse_form,
    parse_query,
    read_body,
)
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.ports import AccountAnswer

Shape = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class AccountRoute:
    """One route of the native API."""

    method: str
    path: str
    """Its parameters are fields of the call."""
    call: str
    """For example `ApiKeyService/CreateApiKey`."""
    summary: str
    answer: Shape
    activity: Activity = Activity.ADMINISTRATION
    body: type[Body] | None = None
    form: type[Form] | None = None
    """What the body may be instead, as `application/x-www-form-urlencoded`."""
    query: type[Query] = Query
    status: int = 200
    resource: str = ""
    """What it is about, for example `api_key`: the id comes from the path or the answer."""
    open: bool = False
    """Needs no credential."""


def create_account_router(door: FrontDoor, tag: str, routes: Sequence[AccountRoute]) -> APIRouter:
    """A router of these routes."""
    router = APIRouter(tags=[tag])
    for route in routes:
        router.add_api_route(
            route.path,
            _endpoint(door, route),
            methods=[route.method],
            status_code=route.status,
            summary=route.summary,
            operation_id=f"{route.method} {route.path}",
            openapi_extra=_description(route),
            response_model=None,
        )
    return router


def record(name: str) -> Shape:
    """An answer that is one record, and what came with it: `{"id", ..., "secret"}`."""

    def shape(fields: Mapping[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in fields.items() if key != name}
        return {**_record(name, fields[name]), **_json(rest)}

    return shape


def records(name: str) -> Shape:
    """An answer that is a page of records: `{"data": [...], "next_page_token": ...}`."""

    def shape(fields: Mapping[str, Any]) -> dict[str, Any]:
        data = [_record(name, each) for each in fields[f"{name}s"]]
        return {"data": data, "next_page_token": fields.get("next_page_token") or None}

    return shape


def as_it_is(fields: Mapping[str, Any]) -> Any:
    """All fields under their own names."""
    return _json(fields)


def _endpoint(door: FrontDoor, route: AccountRoute) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Any:
        exchange = open_exchange(request, route.activity, door.clock)
        _name_resource(exchange, route, request.path_params)

        async def work() -> AccountAnswer:
            fields = {**request.path_params, **await _fields(request, exchange, route)}
            answer = await door.accounts.call(route.call, fields, exchange)
            if answer.principal is not None:
                exchange.principal = answer.principal
            _name_resource(exchange, route, answer.fields.get(route.resource) or {})
            return answer

        run = door.pipeline.log_in if route.open else door.pipeline.administer
        return route.answer((await run(exchange, work)).fields)

    return endpoint


async def _fields(request: Request, exchange: Exchange, route: AccountRoute) -> dict[str, Any]:
    fields = parse_query(route.query, request.query_params).model_dump()
    if route.form is not None and is_form(request):
        fields |= parse_form(route.form, await read_body(request, exchange)).fields()
    elif route.body is not None:
        fields |= parse_body(route.body, await read_body(request, exchange)).fields()
    return fields


def _name_resource(exchange: Exchange, route: AccountRoute, named: Mapping[str, Any]) -> None:
    identifier = named.get(f"{route.resource}_id")
    if identifier:
        exchange.resource = f"{route.resource}:{identifier}"


def _record(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """With its own id first, as `id`."""
    own_id = f"{name}_id"
    rest = {key: value for key, value in fields.items() if key != own_id}
    return {"id": fields[own_id], **_json(rest)} if own_id in fields else dict(_json(rest))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value


def _description(route: AccountRoute) -> dict[str, Any]:
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    names = [part.partition(":")[0] for part in parts]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    properties = route.query.model_json_schema()["properties"]
    parameters += [
        {"name": name, "in": "query", "schema": schema} for name, schema in properties.items()
    ]
    body = json_body(route.body) if route.body else {}
    security: dict[str, Any] = {"security": []} if route.open else {}
    return {"parameters": parameters, **body, **security}
