"""Which weights answer, and what the engine that runs them can hold."""

from dataclasses import dataclass
from datetime import datetime

from headrace_inference.domain.capabilities import Capabilities

VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model's public id and the SHA-256 of its file, hexadecimal."""

    id: str
    digest: str

    @property
    def version(self) -> str:
        """Changes whenever the weights do."""
        return self.digest[:VERSION_DIGITS]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A running engine; `context_tokens` is for prompt and answer together, `slots` run at once."""

    engine: str
    digest: str
    context_tokens: int
    slots: int
    loaded_at: datetime
    capabilities: Capabilities
