"""`/api/v1/llm`: the native API's way to a model, prompt in and text out."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from headrace_gateway.domain.exchange import Activity
from headrace_gateway.http.bodies import json_body, parse_body
from headrace_gateway.http.completion_response import Parsed, respond
from headrace_gateway.http.exchanges import open_exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.llm_schema import GenerateBody
from headrace_gateway.http.openai_answers import AnswerWriter
from headrace_gateway.http.openai_shapes import TextShape

BODIES = (GenerateBody,)


def create_llm_router(door: FrontDoor) -> APIRouter:
    """All routes under `/api/v1/llm`."""
    router = APIRouter(prefix="/api/v1/llm", tags=["llm"])

    @router.post("/generate", openapi_extra=json_body(GenerateBody))
    async def generate(request: Request) -> Response:
        """Continue a text; the answer is a `text_completion` object, as `/v1/completions` has."""
        return _generate(door, request, stream=False)

    @router.post("/stream", openapi_extra=json_body(GenerateBody, streams=True))
    async def stream(request: Request) -> Response:
        """The same as server-sent events, the last but one with the usage, the last `[DONE]`."""
        return _generate(door, request, stream=True)

    return router


def _generate(door: FrontDoor, request: Request, *, stream: bool) -> Response:
    exchange = open_exchange(request, Activity.COMPLETION, door.clock)

    def parse(raw: bytes) -> Parsed:
        wanted = parse_body(GenerateBody, raw).domain(door.native_prompt_characters)
        writer = AnswerWriter(
            TextShape(),
            exchange.request_id,
            int(exchange.occurred_at.timestamp()),
            choices=wanted.sampling.choices,
            include_usage=True,
        )
        return Parsed(wanted, stream, writer, {})

    return respond(door, request, exchange, parse)
