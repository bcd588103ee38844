"""Shows a person what the supervisor does: a live table in a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from headrace_local.status import Observer, Phase, Status

STYLES = {
    Phase.READY: "green",
    Phase.DONE: "green",
    Phase.RESTARTING: "yellow",
    Phase.FAILED: "bold red",
    Phase.STOPPED: "dim",
}
IN_MOTION = (Phase.STARTING, Phase.RESTARTING, Phase.STOPPING)


class Report(Observer, Protocol):
    """An observer with a beginning and an end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def settle(self) -> None:
        """Everything is ready; from here on only news is shown."""


def report_on(console: Console) -> Report:
    """The report that suits the console."""
    return LiveReport(console) if console.is_terminal else PlainReport(console)


class PlainReport:
    """One line for each change of phase, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: dict[str, tuple[Phase, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def settle(self) -> None:
        """Plain lines are news already."""

    def changed(self, status: Status) -> None:
        before, since = self._phases.get(status.name, (None, status.since))
        # Every component begins by waiting; it is news only when it says for what.
        if before == status.phase or (status.phase is Phase.WAITING and not status.detail):
            return
        self._phases[status.name] = (status.phase, status.since)
        if status.phase is Phase.RESTARTING:
            return  # The supervisor says a whole sentence about it.
        seconds = status.since - since if status.phase.is_fulfilled else 0
        self.say(f"{status.name}: {describe(status, seconds)}")

    def say(self, sentence: str) -> None:
        # soft_wrap: the terminal or the pipe's reader wraps, so what is copied is one line.
        self._console.print(Text(sentence), soft_wrap=True)


class LiveReport:
    """One line per component that changes in place, until everything is ready."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._statuses: dict[str, Status] = {}
        self._seconds: dict[str, float] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=10, transient=False
        )
        self._is_settled = False

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def settle(self) -> None:
        self._live.stop()
        self._is_settled = True

    def changed(self, status: Status) -> None:
        before = self._statuses.get(status.name)
        if before and before.phase != status.phase:
            self._seconds[status.name] = status.since - before.since
        self._statuses[status.name] = status
        is_news = before is None or before.phase != status.phase
        if self._is_settled and is_news and status.phase is not Phase.RESTARTING:
            self._console.print(Text.assemble(f"{status.name:<10} ", self._state(status)))

    def say(self, sentence: str) -> None:
        self._console.print(Text(sentence), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for status in self._statuses.values():
            moving = self._spinner if status.phase in IN_MOTION else _mark(status.phase)
            table.add_row(moving, Text(status.name, style="bold"), self._state(status))
        return table

    def _state(self, status: Status) -> Text:
        seconds = time.time() - status.since
        if status.phase.is_fulfilled:
            seconds = self._seconds.get(status.name, 0.0)
        text = Text(describe(status, seconds), style=STYLES.get(status.phase, ""))
        text.truncate(max(20, self._console.width - 16), overflow="ellipsis")
        return text


def describe(status: Status, seconds: float) -> str:
    """A status in a few words; `seconds` is how long it took, or has taken so far."""
    if status.phase.is_fulfilled:
        return f"{status.phase} in {seconds:.1f} s"
    if status.phase is Phase.WAITING:
        return f"waiting {status.detail}".rstrip()
    parts = [status.detail] if status.detail else []
    if seconds >= 1:
        parts.append(f"{seconds:.0f} s")
    return f"{status.phase} ({', '.join(parts)})" if parts else str(status.phase)


def _mark(phase: Phase) -> Text:
    if phase.is_fulfilled:
        return Text("✓", style="green")
    return Text("✗", style="red") if phase is Phase.FAILED else Text("·", style="dim")
