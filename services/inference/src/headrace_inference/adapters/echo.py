"""A deterministic engine for tests and for trying the platform without a model."""

import asyncio
import hashlib
import math
import re
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    EngineEvent,
    FinishReason,
    merge_deltas,
)
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import EmbeddingRequest, GenerationRequest, Prompt, Tool
from headrace_inference.domain.stopping import StopScanner

DIMENSIONS = 8
CAPABILITIES = Capabilities(
    frozenset({Feature.CHAT, Feature.NAMES, Feature.CHOICES}), embedding_dimensions=DIMENSIONS
)
DIGEST = hashlib.sha256(b"headrace echo 1").hexdigest()
WORD = re.compile(r"\s*\S+|\s+$")


class EchoEngine:
    """Answers with the prompt, or the last user message, one word per token.

    It draws nothing, so sampling parameters that only shape the draw change nothing. Before each
    token it awaits `pause`; without one all tokens of a choice are ready together.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        slots: int,
        context_tokens: int,
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._clock = clock
        self._slots = slots
        self._context_tokens = context_tokens
        self._pause = pause
        self._info: EngineInfo | None = None

    @property
    def info(self) -> EngineInfo:
        if self._info is None:
            raise HeadraceError(Reason.NOT_SERVING, "the model is not loaded")
        return self._info

    async def start(self) -> None:
        self._info = EngineInfo(
            "echo", DIGEST, self._context_tokens, self._slots, self._clock.now(), CAPABILITIES
        )

    async def tokenize(
        self,
        prompt: Prompt,
        tools: tuple[Tool, ...] = (),  # noqa: ARG002 - it has none
    ) -> tuple[int, ...]:
        texts = [prompt] if isinstance(prompt, str) else [turn.content for turn in prompt]
        return tuple(zlib.crc32(word.encode()) for text in texts for word in WORD.findall(text))

    async def check(self, request: GenerationRequest) -> None:
        """Any value will do."""

    async def generate(
        self,
        request: GenerationRequest,
        prompt_tokens: tuple[int, ...],  # noqa: ARG002 - the port's
        max_tokens: int,
    ) -> AsyncGenerator[EngineEvent, None]:
        yield Accepted()
        told = self._tell(request, max_tokens)
        if self._pause is not None:
            async for event in told:
                yield event
            return
        for event in merge_deltas([event async for event in told]):
            yield event

    async def _tell(
        self, request: GenerationRequest, max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        words = WORD.findall(_echoed(request.prompt))
        for choice in range(request.sampling.choices):
            scanner = StopScanner(request.sampling.stop)
            stopped, used = False, 0
            for word in words[:max_tokens]:
                if self._pause is not None:
                    await self._pause()
                used += 1
                text, stopped = scanner.feed(word)
                if text:
                    yield Delta(choice, text, 1)
                if stopped:
                    break
            if rest := scanner.flush():
                yield Delta(choice, rest, 0)
            cut = not stopped and len(words) > max_tokens
            reason = FinishReason.LENGTH if cut else FinishReason.STOP
            yield ChoiceFinished(choice, reason, used)

    async def embed(
        self,
        request: EmbeddingRequest,
        prompt_tokens: tuple[tuple[int, ...], ...],  # noqa: ARG002 - the port's
    ) -> Sequence[Sequence[float]]:
        """A unit vector per text, the same for the same text; before each it awaits `pause`."""
        vectors = []
        for text in request.texts:
            if self._pause is not None:
                await self._pause()
            vectors.append(_unit_vector(text))
        return vectors

    async def health(self) -> None:
        """Always well."""

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._info = None


def _echoed(prompt: Prompt) -> str:
    if isinstance(prompt, str):
        return prompt
    said = [turn.content for turn in prompt if turn.role == "user"]
    return said[-1] if said else prompt[-1].content


def _unit_vector(text: str) -> tuple[float, ...]:
    drawn = [byte + 1 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]
    length = math.hypot(*drawn)
    return tuple(value / length for value in drawn)
