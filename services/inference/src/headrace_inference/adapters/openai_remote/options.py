"""Where a remote server is, and what it is."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from headrace_inference.domain.capabilities import Capabilities, Feature

VOLATILE = ("created", "permission")
"""What differs between two answers of the same server about the same model."""


class RemoteKind(StrEnum):
    """What a server offers beside OpenAI's API; `openai` is one of which nothing more is known."""

    OPENAI = "openai"
    LLAMACPP = "llamacpp"
    VLLM = "vllm"


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """`url` ends before `/chat/completions`; `model` is the remote's name of it.

    A stream that is silent for `stall_seconds` is given up. `start` waits so long as
    `start_seconds` for the remote. `digest` identifies the weights, where somebody knows it.
    """

    url: str
    model: str
    slots: int
    context_tokens: int
    features: frozenset[Feature]
    kind: RemoteKind = RemoteKind.OPENAI
    api_key: str | None = field(default=None, repr=False)
    health_path: str = "/health"
    digest: str | None = None
    generates: bool = True
    embedding_dimensions: int | None = None
    stall_seconds: float = 30.0
    start_seconds: float = 600.0

    @property
    def root(self) -> str:
        """What lies beside the API: health and tokens."""
        return self.url.removesuffix("/v1")

    @property
    def capabilities(self) -> Capabilities:
        """What the remote is trusted to honour."""
        return Capabilities(
            self.features,
            generates=self.generates,
            embedding_dimensions=self.embedding_dimensions,
            tokenizes=self.kind is not RemoteKind.OPENAI,
        )

    def digest_of(self, entry: dict[str, Any]) -> str:
        """SHA-256 over address, name and what the remote says of the model; not of its weights."""
        if self.digest is not None:
            return self.digest
        told = {name: value for name, value in entry.items() if name not in VOLATILE}
        document = json.dumps([self.url, self.model, told], sort_keys=True)
        return sha256(document.encode()).hexdigest()
