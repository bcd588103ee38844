"""How a benchmark tells what it measured: tables, ratios, TARGET lines and a JSON file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PIPED_COLUMNS = 160


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that an issue or the guide asks for; `measured` is None where nothing could be."""

    name: str
    measured: float | None
    wanted: float

    def line(self) -> str:
        if self.measured is None:
            return f"TARGET {self.name}: not measured, wanted >= {self.wanted:.2f}: missed"
        verdict = "met" if self.measured >= self.wanted else "missed"
        measured = f"measured {self.measured:.2f}, wanted >= {self.wanted:.2f}"
        return f"TARGET {self.name}: {measured}: {verdict}"

    def figures(self) -> dict[str, Any]:
        return {"name": self.name, "measured": self.measured, "wanted": self.wanted}


def create_console() -> Console:
    """A console that does not break tables when its output goes into a file."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_COLUMNS)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is text and whose others are figures."""
    built = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        built.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        built.add_row(*row)
    return built


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, markup=False, soft_wrap=True)


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """All figures, for whoever compares runs."""
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
