"""What `/v1/embeddings` accepts, and how its answer is written."""

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Literal

import orjson
from pydantic import Field, StringConstraints

from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.http.openai_rules import ModelName, OpenAIBody, unsupported

Text = Annotated[str, StringConstraints(min_length=1)]
MAXIMUM_TEXTS = 2048
FLOAT_BYTES = 4

Encoding = Literal["float", "base64"]


class EmbeddingBody(OpenAIBody):
    """One text or several, and the form in which their vectors are wanted."""

    model: ModelName
    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=MAXIMUM_TEXTS)]
        | Annotated[list[int], Field(min_length=1)]
        | Annotated[list[list[int]], Field(min_length=1)]
    )
    encoding_format: Encoding | None = None
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    user: str | None = None

    def domain(self) -> EmbeddingRequest:
        """Raises UNSUPPORTED_PARAMETER for token ids."""
        given = [self.input] if isinstance(self.input, str) else self.input
        texts = tuple(text for text in given if isinstance(text, str))
        if len(texts) < len(given):
            raise unsupported("input", "token ids differ from model to model; send texts")
        return EmbeddingRequest(self.model, texts, self.dimensions)


def embedding_list(embeddings: Embeddings, encoding: Encoding) -> bytes:
    """The whole answer."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
        for index, vector in enumerate(embeddings.vectors)
    ]
    tokens = embeddings.prompt_tokens
    return orjson.dumps(
        {
            "object": "list",
            "data": data,
            "model": embeddings.model.id,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _encoded(vector: bytes, encoding: Encoding) -> str | Sequence[float]:
    if encoding == "base64":
        return base64.b64encode(vector).decode()
    return struct.unpack(f"<{len(vector) // FLOAT_BYTES}f", vector)
