"""The response of `/v1/embeddings`."""

from collections.abc import Awaitable, Callable

from starlette.types import Send

from headrace_gateway.domain.embedding import EmbeddingRequest
from headrace_gateway.domain.exchange import Exchange
from headrace_gateway.http.embeddings_schema import EmbeddingBody, embedding_list
from headrace_gateway.http.pipeline_response import Patience, PipelineResponse
from headrace_gateway.pipeline import Pipeline
from headrace_gateway.running import RunningExchanges


class EmbeddingsResponse(PipelineResponse):
    """One JSON document; work for a caller who hangs up is stopped."""

    def __init__(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        read_body: Callable[[], Awaitable[EmbeddingBody]],
        patience: Patience,
        running: RunningExchanges,
    ) -> None:
        super().__init__(exchange, patience, running)
        self._pipeline = pipeline
        self._read_body = read_body
        self._body: EmbeddingBody | None = None

    async def run(self, send: Send) -> None:
        embeddings = await self._pipeline.embed(self.exchange, self._request)
        encoding = self._body.encoding_format if self._body else None
        await self.write_document(send, embedding_list(embeddings, encoding or "float"))

    async def _request(self) -> EmbeddingRequest:
        self._body = await self._read_body()
        self.body_read.set()
        self.exchange.end_user = self._body.user or ""
        return self._body.domain()
