"""Which weights answer, and what the engine that runs them can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from headrace_inference.domain.capabilities import Capabilities

VERSION_DIGITS = 12
NONE_ADAPTED: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model's public id and the SHA-256 of its file, hexadecimal; of all its files if it is made
    of several."""

    id: str
    digest: str

    @property
    def version(self) -> str:
        """Changes whenever the weights do."""
        return self.digest[:VERSION_DIGITS]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A running engine; `context_tokens` is for prompt and answer together, `slots` run at once.

    `adapted` are further models that it makes of the same weights: their digests by their ids.
    """

    engine: str
    digest: str
    context_tokens: int
    slots: int
    loaded_at: datetime
    capabilities: Capabilities
    adapted: Mapping[str, str] = field(default_factory=lambda: NONE_ADAPTED)
