"""Every row of the account side's tables fits its call, takes nothing else and asks who calls."""

from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
from google.protobuf.message_factory import GetMessageClass
from pydantic import BaseModel

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.account_calls import PROTOS
from headrace_gateway.adapters.messages import plain
from headrace_gateway.http.account_routes import AccountRoute
from headrace_gateway.http.accounts.tables import TABLES
from headrace_gateway.http.bodies import Body
from headrace_gateway.testing.gateway import running_gateway

METHODS = {
    f"{service.name}/{method.name}": method
    for proto in PROTOS
    for service in proto.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
ROUTES = [route for routes in TABLES.values() for route in routes]
every_route = pytest.mark.parametrize(
    "route", ROUTES, ids=lambda route: f"{route.method} {route.path}"
)


def _path_fields(route: AccountRoute) -> set[str]:
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return {part.partition(":")[0] for part in parts}


def _own_fields(route: AccountRoute) -> set[str]:
    models = (route.query, *([route.body] if route.body else []))
    return {name for model in models for name in model.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The model and all that its fields are made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for each in annotation.model_fields.values():
            yield from _models(each.annotation)
    for argument in get_args(annotation):
        yield from _models(argument)


@every_route
def test_every_field_of_a_request_is_a_field_of_the_call(route: AccountRoute) -> None:
    known = set(METHODS[route.call].input_type.fields_by_name)
    assert _path_fields(route) <= known
    assert _own_fields(route) <= known


@every_route
def test_a_body_cannot_say_what_the_path_says(route: AccountRoute) -> None:
    assert not _path_fields(route) & _own_fields(route)
    assert not (route.body and route.query.model_fields)


@every_route
def test_a_body_takes_no_field_that_it_does_not_name(route: AccountRoute) -> None:
    for model in _models(route.body):
        assert issubclass(model, Body)
        assert model.model_config.get("extra") == "forbid"
        assert model.model_config.get("strict") is True


@every_route
async def test_a_query_takes_no_parameter_that_it_does_not_name(route: AccountRoute) -> None:
    async with running_gateway() as gateway:
        gateway.accounts.answers[route.call] = HeadraceError(Reason.INTERNAL, "must not be asked")
        needed = {name: "x" for name, f in route.query.model_fields.items() if f.is_required()}
        for name in ("subjct", "_"):
            query = {**needed, name: "1"}
            answer = await gateway.client.request(route.method, route.path, params=query)
            error = answer.json()["error"]
            assert (answer.status_code, error["param"]) == (400, name)
            assert name in error["message"]
        assert gateway.accounts.calls == []


@every_route
def test_the_answer_of_the_call_can_be_shown(route: AccountRoute) -> None:
    answer = GetMessageClass(METHODS[route.call].output_type)()
    for each in answer.DESCRIPTOR.fields:
        if each.message_type is not None and not each.is_repeated:
            getattr(answer, each.name).SetInParent()
    fields = plain(answer)
    fields.pop("principal", None)
    assert orjson.dumps(route.answer(fields))
    if route.resource:
        assert f"{route.resource}_id" in _path_fields(route) | set(fields.get(route.resource) or {})


@every_route
async def test_nobody_is_refused_before_anything_is_asked(route: AccountRoute) -> None:
    async with running_gateway() as gateway:
        gateway.client.headers.pop("authorization")
        gateway.accounts.answers[route.call] = HeadraceError(Reason.INTERNAL, "must not be asked")
        answer = await gateway.client.request(route.method, route.path, content=b"{")
        assert answer.status_code == (400 if route.open and route.body else 401)
        assert gateway.accounts.calls == []
        [exchange] = gateway.events.exchanges
        assert exchange.activity is route.activity


def test_no_two_rows_are_one_route() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


async def test_the_description_spells_as_its_fields_do() -> None:
    async with running_gateway() as gateway:
        document = (await gateway.client.get("/openapi.json")).text.lower()
    assert "organization" in document
    assert "organisation" not in document
