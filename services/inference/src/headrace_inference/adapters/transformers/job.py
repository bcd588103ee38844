"""One request in the engine: what its caller in the event loop and the model's thread share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headrace_inference.adapters.event_stream import Event, EventStream
from headrace_inference.domain.requests import GenerationRequest

if TYPE_CHECKING:
    from headrace_inference.adapters.transformers.form import Form


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Created in the event loop, in which its `stream` stays."""

    request: GenerationRequest
    prompt_tokens: tuple[int, ...]
    max_tokens: int
    form: "Form | None" = None
    stream: EventStream = field(default_factory=EventStream)


Told = list[tuple[Job, Event]]
"""What there is to tell, and to whom."""
