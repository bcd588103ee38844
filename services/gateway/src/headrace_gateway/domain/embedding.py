"""Texts to be turned into vectors, and the vectors, independent of any public API's shape."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

from headrace_gateway.domain.completion import CompletionRequest, ModelVersion


@final
@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One or many texts; each becomes a vector, of `dimensions` numbers if that is given."""

    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None

    @property
    def input_name(self) -> str:
        """What callers call it."""
        return "input"

    def texts(self) -> Sequence[str]:
        """Every text, in order."""
        return self.inputs

    def written(self) -> Iterator[str]:
        """The same, for there is no JSON among them."""
        return iter(self.inputs)


ModelRequest = CompletionRequest | EmbeddingRequest
OneRequest = TypeVar("OneRequest", CompletionRequest, EmbeddingRequest)
"""One of them, where what comes out is of the kind that went in."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """A vector for each text, in their order: 32-bit floats, little-endian, of length 1."""

    model: ModelVersion
    vectors: tuple[bytes, ...]
    prompt_tokens: int
    queue_seconds: float
