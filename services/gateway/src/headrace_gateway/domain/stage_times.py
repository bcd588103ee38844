"""How long the stages of one request took, noted only for whoever asks for a trace."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from dataclasses import dataclass, field

from headrace_gateway.domain.completion import Events

Now = Callable[[], float]
"""Seconds of a monotonic clock."""

NOT_TIMED = nullcontext()


@dataclass(slots=True)
class StageTimes:
    """Seconds by stage, in the order in which stages began."""

    allowed: bool = False
    """Whether the caller may see them; decided once it is known who that is."""
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        """A stage that runs again takes the more."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    @contextmanager
    def time(
        self, stage: str, now: Now, inner: AbstractContextManager[None] = NOT_TIMED
    ) -> Iterator[None]:
        """Note the block, which runs in `inner`."""
        started = now()
        try:
            with inner:
                yield
        finally:
            self.add(stage, now() - started)

    async def wait(self, stage: str, events: Events, now: Now) -> Events:
        """The same events; the time that each is waited for counts, what its reader takes not."""
        async with aclosing(events):
            while True:
                with self.time(stage, now):
                    event = await anext(events, None)
                if event is None:
                    return
                yield event
