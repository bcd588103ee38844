"""What every benchmark shares: its options, the machine it ran on, tables and TARGET lines."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

PIPED_COLUMNS = 160

Prepare = Annotated[
    bool, typer.Option("--prepare", help="Install what the contestants need, and stop.")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Take under a minute; says what it leaves out.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="Write all figures to this file.")
]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that an issue or the guide asks for; `measured` is None where nothing could be."""

    name: str
    measured: float | None
    wanted: float
    at_most: bool = False
    """Whether less is better."""

    def line(self) -> str:
        measured, verdict = "not measured", "missed"
        if self.measured is not None:
            measured = f"measured {self.measured:.2f}"
            kept = self.measured <= self.wanted if self.at_most else self.measured >= self.wanted
            verdict = "met" if kept else "missed"
        sign = "<=" if self.at_most else ">="
        return f"TARGET {self.name}: {measured}, wanted {sign} {self.wanted:.2f}: {verdict}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine at the time of a run."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load_average: float
    """Of the last minute before the run: above 0.5, something else was busy as well."""

    @classmethod
    def here(cls) -> "Machine":
        return cls(
            processor=_processor(),
            cores=os.cpu_count() or 1,
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            load_average=round(os.getloadavg()[0], 2),
        )

    def line(self) -> str:
        return (
            f"{self.cores} x {self.processor}, {self.memory_gib} GiB, Linux {self.kernel},"
            f" Python {self.python}; load average before the run: {self.load_average}"
        )


def create_console() -> Console:
    """A console that prints text as it is, and does not break tables that go into a file."""
    width = None if Console().is_terminal else PIPED_COLUMNS
    return Console(highlight=False, markup=False, soft_wrap=True, width=width)


def begin(
    *, prepare: bool, prepared: Callable[[], str] = lambda: "Nothing to prepare."
) -> tuple[Console, Machine]:
    """A console that has told the machine; ends the run if only preparation is asked for."""
    console = create_console()
    if prepare:
        console.print(prepared())
        raise typer.Exit
    machine = Machine.here()
    console.print(machine.line())
    return console, machine


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is text and whose others are figures."""
    built = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        built.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        built.add_row(*row)
    return built


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
