"""How busy the server is, for gateways that choose between servers and for autoscalers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A moment's load. Slots are places in the engine; a request takes one for each choice."""

    slots: int
    running_requests: int
    running_slots: int
    waiting_requests: int
    waiting_slots: int
    waiting_tokens: int
    """What waiting requests may take at most, prompt and answer."""
    tokens_in_flight: int
    """Of running requests, read and made so far: what the engine's memory holds."""
    tokens_per_second: float
    """Made of late, over all requests."""
    capacity_tokens: int
    """What the engine's memory has room for."""

    @property
    def saturation(self) -> float:
        """Slots that are asked for per slot there is: 1 is full, above 1 there is a queue."""
        return (self.running_slots + self.waiting_slots) / self.slots

    @property
    def memory_used(self) -> float:
        """The part of the engine's memory for tokens that is in use, 0 to 1."""
        return self.tokens_in_flight / self.capacity_tokens
