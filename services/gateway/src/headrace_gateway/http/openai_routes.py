"""`/v1`: the OpenAI-compatible surface."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.bodies import json_body, parse_body, read_model_body
from headrace_gateway.http.completion_response import Parsed, respond
from headrace_gateway.http.embeddings_response import EmbeddingsResponse
from headrace_gateway.http.embeddings_schema import EmbeddingBody
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.models_response import ModelsResponse
from headrace_gateway.http.openai_answers import model_card
from headrace_gateway.http.openai_schema import ChatCompletionBody, CompletionBody

BODIES = (ChatCompletionBody, CompletionBody, EmbeddingBody)


def create_openai_router(door: FrontDoor) -> APIRouter:
    """All routes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["OpenAI"])

    @router.post("/chat/completions", openapi_extra=json_body(ChatCompletionBody, streams=True))
    async def create_chat_completion(request: Request) -> Response:
        """Answer a conversation, whole or as a stream of server-sent events."""
        return _complete(door, request, ChatCompletionBody)

    @router.post("/completions", openapi_extra=json_body(CompletionBody, streams=True))
    async def create_completion(request: Request) -> Response:
        """Continue a text, whole or as a stream of server-sent events."""
        return _complete(door, request, CompletionBody)

    @router.post("/embeddings", openapi_extra=json_body(EmbeddingBody))
    async def create_embeddings(request: Request) -> Response:
        """Turn texts into vectors of length 1, as numbers or as base64 of little-endian floats."""
        return _embed(door, request)

    @router.get("/models", response_model=dict[str, Any])
    async def list_models(request: Request) -> Response:
        """The models that this credential may use."""
        exchange = open_exchange(request, Activity.MODEL_LIST, door.clock)
        return ModelsResponse(door, exchange, partial(_model_list, door, exchange))

    @router.get("/models/{model:path}", response_model=dict[str, Any])
    async def retrieve_model(request: Request, model: str) -> Response:
        """One model."""
        exchange = open_exchange(request, Activity.MODEL_LIST, door.clock)
        return ModelsResponse(door, exchange, partial(_one_model, door, exchange, model))

    return router


def _complete(
    door: FrontDoor, request: Request, model: type[ChatCompletionBody] | type[CompletionBody]
) -> Response:
    exchange = open_exchange(request, Activity.COMPLETION, door.clock)

    def parse(raw: bytes) -> Parsed:
        body = parse_body(model, raw)
        wanted = body.domain()
        writer = body.writer(exchange.request_id, int(exchange.occurred_at.timestamp()))
        return Parsed(wanted, bool(body.stream), writer, body.names(), body.end_user())

    return respond(door, request, exchange, parse)


def _embed(door: FrontDoor, request: Request) -> Response:
    exchange = open_exchange(request, Activity.EMBEDDING, door.clock)

    async def read() -> EmbeddingBody:
        return parse_body(EmbeddingBody, await read_model_body(request, exchange))

    return EmbeddingsResponse(door.pipeline, exchange, read, door.patience, door.readiness.running)


async def _model_list(door: FrontDoor, exchange: Exchange) -> dict[str, Any]:
    cards = await door.pipeline.list_models(exchange)
    return {"object": "list", "data": [model_card(card) for card in cards]}


async def _one_model(door: FrontDoor, exchange: Exchange, model: str) -> dict[str, Any]:
    return model_card(await door.pipeline.find_model(exchange, model))
