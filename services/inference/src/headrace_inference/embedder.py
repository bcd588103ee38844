"""Turns texts into vectors: check, tokenize, and piece by piece wait for the turn and embed."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.embeddings import Embeddings, Piece, pieces, shortened
from headrace_inference.domain.requests import EmbeddingRequest
from headrace_inference.domain.rules import (
    check_embedding_request,
    check_embedding_tokens,
    estimate_tokens,
)
from headrace_inference.domain.run import Run
from headrace_inference.domain.waiting_line import Demand
from headrace_inference.metrics import InferenceMetrics
from headrace_inference.served_model import ServedModel, too_late

Vector = Sequence[float]


class Embedder:
    """The way of a request for embeddings; `maximum_seconds` bounds it, its waits included.

    It takes turns with others after every piece, of about as many tokens as the model reads at
    once: a request of thousands of texts holds up nobody for longer than that, is fair between
    tenants, and ends within a piece when its caller leaves.
    """

    def __init__(
        self,
        served: ServedModel,
        metrics: InferenceMetrics,
        *,
        maximum_seconds: float,
        clock: Clock,
    ) -> None:
        self._served = served
        self._metrics = metrics
        self._maximum_seconds = maximum_seconds
        self._clock = clock

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """A vector of length 1 for every text. Raises HeadraceError; cancelling it stops it."""
        run = Run(self._clock, choices=0)
        with self._metrics.measure(run):
            async with _deadline(self._maximum_seconds):
                tokens = await self._read(request)
                counts = [len(ids) for ids in tokens] or list(map(estimate_tokens, request.texts))
                check_embedding_tokens(counts, self._served.info().context_tokens)
                run.prompt_tokens = sum(counts)
                vectors: list[Vector] = []
                for piece in pieces(counts, self._served.info().context_tokens):
                    with _after_work(bool(vectors)):
                        vectors += await self._embed_piece(request, tokens, piece, run)
            if request.dimensions is not None:
                vectors = [shortened(vector, request.dimensions) for vector in vectors]
            queue = run.timings().queue
            return Embeddings(
                self._served.version(request.model),
                vectors,
                run.prompt_tokens,
                queue_seconds=queue,
                engine_seconds=run.total_seconds() - queue,
            )

    async def _read(self, request: EmbeddingRequest) -> tuple[tuple[int, ...], ...]:
        """Refuse what will not be answered, at the least cost first; the texts' token ids."""
        served = self._served
        served.scheduler.require_room(request.organization_id, choices=1)
        served.version(request.model)
        info = served.info()
        capabilities = info.capabilities
        capabilities.check_embedding()
        most_dimensions = capabilities.embedding_dimensions or 0
        check_embedding_request(request, most_dimensions, info.context_tokens)
        if not capabilities.tokenizes:
            return ()
        return tuple([await served.engine.tokenize(text) for text in request.texts])

    async def _embed_piece(
        self,
        request: EmbeddingRequest,
        tokens: tuple[tuple[int, ...], ...],
        piece: Piece,
        run: Run,
    ) -> Sequence[Vector]:
        served = self._served
        demand = Demand(
            request.organization_id, request.priority, 1, piece.prompt_tokens, max_tokens=0
        )
        with await served.scheduler.enter(demand), served.silence.work():
            if run.left_queue is None:
                run.leave_queue()
            part = request.part(piece.first, piece.last)
            vectors = await served.engine.embed(part, tokens[piece.first : piece.last])
            served.silence.hear()
        if len(vectors) != piece.last - piece.first:
            raise HeadraceError(Reason.ENGINE_FAILED, "the engine made too few embeddings")
        return vectors


@contextmanager
def _after_work(done: bool) -> Iterator[None]:
    """Have a refusal tell that pieces before it were embedded, so that they are not for free."""
    try:
        yield
    except HeadraceError as error:
        error.after_work = done
        raise


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise too_late() from error
