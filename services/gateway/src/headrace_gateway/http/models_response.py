"""The response of `/v1/models`."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.types import Send

from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.http.front_door import FrontDoor
from headrace_gateway.http.pipeline_response import PipelineResponse


class ModelsResponse(PipelineResponse):
    """One JSON document; a refusal has the same headers as one of a request for a model."""

    def __init__(
        self, door: FrontDoor, exchange: Exchange, look: Callable[[], Awaitable[dict[str, Any]]]
    ) -> None:
        super().__init__(exchange, door.patience, door.readiness.running)
        self.body_read.set()  # there is none
        self._look = look

    async def run(self, send: Send) -> None:
        await self.write_document(send, orjson.dumps(await self._look()))
