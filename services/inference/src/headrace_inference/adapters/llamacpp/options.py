"""How to run a model in llama.cpp."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.weights.memory import check_fits, free_bytes

NO_ADAPTERS: Mapping[str, Path] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """How to run the model.

    `context_tokens` is per slot. `prefill_chunk_tokens` are read between two decode steps: larger
    is faster prefill, smaller is smoother streams and quicker cancellation. Tokens of
    `gather_seconds` go out together, but an answer's first one and its end at once. No event for
    `stall_seconds` fails a request, and if no other one has any either the engine is dead; its
    listener, which reads prompts, has as long to answer. `chat_template` is Jinja text instead of
    the model's. `lora_adapters` are files by the ids of the models that they make of this one. With
    `prompt_cache` a prompt's beginning is not read again if the same tenant's last one had it.
    """

    model_path: Path
    slots: int
    context_tokens: int
    threads: int
    prefill_chunk_tokens: int = 512
    gather_seconds: float = 0.05
    stall_seconds: float = 30.0
    chat_template: str = ""
    lora_adapters: Mapping[str, Path] = field(default_factory=lambda: NO_ADAPTERS)
    prompt_cache: bool = False
    spins: int = 10_000
    """See the setting of this name."""

    def check_memory(self) -> None:
        """Raise ModelDoesNotFitError; ValueError or LookupError for a file that is no model."""
        check_fits(
            self.model_path,
            slots=self.slots,
            context_tokens=self.context_tokens,
            free=free_bytes(),
        )

    def cannot_load(self, why: str) -> HeadraceError:
        """What tells why there is no engine."""
        return HeadraceError(
            Reason.ENGINE_FAILED, f"llama.cpp cannot load {self.model_path}: {why}"
        )
