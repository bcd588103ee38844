"""Signals of the supervisor: the first one stops everything in order, Ctrl-C after it hurries."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Interrupts:
    """Turns signals into a cancellation, and then into `hurry`."""

    say: Callable[[str], None]
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    was_stopped: bool = False

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, or until a signal cancels it, which is an ordinary end too."""
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._interrupt, number, task)
        try:
            await task
        except asyncio.CancelledError:
            if not self.was_stopped:
                raise
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _interrupt(self, number: signal.Signals, task: "asyncio.Task[None]") -> None:
        if self.was_stopped:
            # Programs send SIGTERM twice without impatience: timeout(1) does.
            if number == signal.SIGINT:
                self.say("Stopping at once.")
                self.hurry.set()
            return
        self.was_stopped = True
        self.say("Stopping; press Ctrl-C again to hurry.")
        task.cancel()
