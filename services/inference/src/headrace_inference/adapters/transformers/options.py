"""How to run a model of the Hugging Face kind."""

from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Batching = Literal["auto", "slots", "manager"]
Dtype = Literal["auto", "fp32", "bf16", "fp16", "int8"]


@dataclass(frozen=True, slots=True)
class TransformersOptions:
    """`model` is a directory or OWNER/NAME on a hub; `context_tokens` is per slot.

    `auto` is CUDA where it is present, and there bf16; int8 on CPU.
    `prefill_chunk_tokens` are read between two decode steps: larger is faster prefill, smaller is
    smoother streams and quicker cancellation. No event for `stall_seconds` means that the engine is
    dead; it has as long to obey a cancellation. `batching` is by our slots or by the library's
    manager, which `auto` takes on CUDA; it also runs on a CPU, slowly.
    """

    model: str
    slots: int
    context_tokens: int
    threads: int
    device: Device = "auto"
    dtype: Dtype = "auto"
    prefill_chunk_tokens: int = 512
    stall_seconds: float = 30.0
    batching: Batching = "auto"
