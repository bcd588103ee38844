"""Those who ask a model for something, and what came of it for each."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.events import Answer, Delta, Finished, Started
from headrace_inference.domain.requests import EmbeddingRequest, GenerationRequest
from headrace_inference.embedder import Embedder
from headrace_inference.generator import Generator

MAY_FAIL = {Reason.QUEUE_FULL, Reason.ENGINE_FAILED, Reason.NOT_SERVING}


@dataclass(frozen=True, slots=True)
class Server:
    """Whom visitors ask; `news` is set whenever one of them hears something, or leaves."""

    generator: Generator
    embedder: Embedder
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class Visitor(ABC):
    """One request, and how it ended."""

    error: HeadraceError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def here(self) -> bool:
        return self.task is not None and not self.task.done()

    def come(self, server: Server) -> None:
        """Ask, in a task of its own."""
        self.task = asyncio.create_task(self._stay(server))

    def check(self) -> None:
        """Whoever is gone was sent away for a good reason, or got what it asked for."""
        assert self.task is not None
        if self.task.cancelled():
            return
        assert self.task.exception() is None
        if self.error is not None:
            assert self.error.reason in MAY_FAIL
        else:
            self._check_answer()

    async def _stay(self, server: Server) -> None:
        try:
            await self._ask(server)
        except HeadraceError as error:
            self.error = error
        finally:
            server.news.set()

    @abstractmethod
    async def _ask(self, server: Server) -> None:
        """Keep what is answered."""

    @abstractmethod
    def _check_answer(self) -> None:
        """Assert that the answer is what was asked for."""


@dataclass(slots=True)
class Reader(Visitor):
    """Wants a text; who does not `stay` to its end hangs up after so many messages."""

    request: GenerationRequest
    stay: int | None = None
    messages: list[Answer] = field(default_factory=list)

    async def _ask(self, server: Server) -> None:
        async with aclosing(server.generator.generate(self.request)) as answer:
            async for message in answer:
                self.messages.append(message)
                server.news.set()
                if len(self.messages) == self.stay:
                    return

    def _check_answer(self) -> None:
        if len(self.messages) == self.stay:
            return
        first, *deltas, last = self.messages
        assert isinstance(first, Started)
        assert all(isinstance(delta, Delta) for delta in deltas)
        assert isinstance(last, Finished)
        assert len(last.reasons) == self.request.sampling.choices


@dataclass(slots=True)
class Measurer(Visitor):
    """Wants vectors of texts."""

    request: EmbeddingRequest
    vectors: Sequence[Sequence[float]] = ()

    async def _ask(self, server: Server) -> None:
        self.vectors = (await server.embedder.embed(self.request)).vectors

    def _check_answer(self) -> None:
        assert len(self.vectors) == len(self.request.texts)
