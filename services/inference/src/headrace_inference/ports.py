"""What the service needs of an engine, and of what signs its answers."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace_inference.domain.attestation import Statement
from headrace_inference.domain.events import AnswerSignature, EngineEvent
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import EmbeddingRequest, GenerationRequest, Prompt, Tool


class Engine(Protocol):
    """One model, loaded once, that answers up to `info.slots` choices or embeddings at a time.

    It is asked for no more than `info.capabilities` promise: the caller has checked that.
    """

    @property
    def info(self) -> EngineInfo:
        """What runs and what it can do; raises NOT_SERVING before `start` has ended."""

    async def start(self) -> None:
        """Load the model and warm it up; raises HeadraceError (ENGINE_FAILED)."""

    async def tokenize(self, prompt: Prompt, tools: tuple[Tool, ...] = ()) -> tuple[int, ...]:
        """Token ids of a text, or of a conversation (with tools) under the chat template."""

    async def check(self, request: GenerationRequest) -> None:
        """Refuse, by INVALID_FIELD, values that only the engine can judge."""

    def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        """Accepted, then deltas, and one ChoiceFinished per choice; Working shows that it lives.

        The caller has checked the request and lets no more than `info.slots` choices run at once.
        `prompt_tokens` are those of `tokenize`, none where the engine cannot tell them. Closing the
        generator stops the work and returns when it has stopped. Raises HeadraceError
        (ENGINE_FAILED) at any time.
        """

    async def embed(
        self, request: EmbeddingRequest, prompt_tokens: tuple[tuple[int, ...], ...]
    ) -> Sequence[Sequence[float]]:
        """One vector of `info.capabilities.embedding_dimensions` and length 1 for each text.

        `prompt_tokens` are as in `generate`. Being cancelled stops the work. Raises HeadraceError
        (ENGINE_FAILED).
        """

    async def health(self) -> None:
        """Raise HeadraceError while it cannot work, for reasons that may pass."""

    async def watch(self) -> None:
        """Run as long as the engine lives; raises HeadraceError (ENGINE_FAILED) when it is dead."""

    async def close(self) -> None:
        """Stop all work and let go of the model."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """A public Ed25519 key, 32 bytes, under its thumbprint (RFC 7638)."""

    kid: str
    public_key: bytes


class AnswerSigner(Protocol):
    """Signs answers with a key of this process."""

    def sign(self, statement: Statement) -> AnswerSignature:
        """The statement, signed, with what proves the key."""

    def public_keys(self) -> Sequence[AnswerKey]:
        """The platform's keys, by which the key of any process is known."""
