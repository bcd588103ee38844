"""What the service needs of an engine."""

from collections.abc import AsyncGenerator
from typing import Protocol

from headrace_inference.domain.events import EngineEvent
from headrace_inference.domain.models import EngineInfo
from headrace_inference.domain.requests import GenerationRequest, Prompt


class Engine(Protocol):
    """One model, loaded once, that answers up to `info.slots` choices at a time."""

    @property
    def info(self) -> EngineInfo:
        """What runs; raises HeadraceError (NOT_SERVING) before `start` has ended."""

    async def start(self) -> None:
        """Load the model and warm it up; raises HeadraceError (ENGINE_FAILED)."""

    async def tokenize(self, prompt: Prompt) -> tuple[int, ...]:
        """Token ids of a text, or of a conversation under the model's chat template."""

    async def check(self, request: GenerationRequest) -> None:
        """Refuse, by UNSUPPORTED_PARAMETER or INVALID_FIELD, what this engine cannot honour."""

    def generate(
        self, request: GenerationRequest, prompt_tokens: tuple[int, ...], max_tokens: int
    ) -> AsyncGenerator[EngineEvent, None]:
        """Accepted, then deltas, and one ChoiceFinished per choice; Working shows that it lives.

        The caller has checked the request and lets no more than `info.slots` choices run at once.
        Closing the generator stops the work and returns when it has stopped. Raises HeadraceError
        (ENGINE_FAILED) at any time.
        """

    async def watch(self) -> None:
        """Run as long as the engine lives; raises HeadraceError (ENGINE_FAILED) when it is dead."""

    async def close(self) -> None:
        """Stop all work and let go of the model."""
