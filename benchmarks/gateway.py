"""How fast the gateway is and what a request costs, beside a peer and beside bare ASGI."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import gateway_tables as tables
from benchmarks.cells import LEFT_OUT, Cell, length_for, measure
from benchmarks.contestants import bare_asgi, headrace, litellm
from benchmarks.contestants.contestant import Entrant
from benchmarks.machine import Machine
from benchmarks.options import JsonFile, Prepare, Quick
from benchmarks.processes import ContestantError
from benchmarks.profiling.gateway import profile_gateway
from benchmarks.report import create_console, say, write_json

ENTRANTS = (bare_asgi.ENTRANT, litellm.ENTRANT, headrace.ENTRANT)

ProfileFolder = Annotated[
    Path | None,
    typer.Option("--profile", file_okay=False, help="Profile the gateway instead, into here."),
]


def main(
    prepare: Prepare = False,
    quick: Quick = False,
    json_file: JsonFile = None,
    profile: ProfileFolder = None,
) -> None:
    """Measure requests per second, latencies and CPU time per request, with the echo engine."""
    run = Run(create_console(), quick=quick)
    if prepare:
        run.prepare()
    elif profile:
        run.profile(profile)
    else:
        run.compare(json_file)
    raise typer.Exit(1 if run.failed else 0)


class Run:
    """One run; what a contestant cannot do is told and does not keep the others from running."""

    def __init__(self, console: Console, *, quick: bool) -> None:
        self._console = console
        self._quick = quick
        self.failed = False

    def prepare(self) -> None:
        """Install what is not part of this repository."""
        with self._attempt(litellm.NAME):
            litellm.install()
            self._say(f"{litellm.NAME} {litellm.VERSION} is installed in {litellm.home()}.")

    def profile(self, folder: Path) -> None:
        """See where the gateway's time goes."""
        with self._attempt(headrace.NAME):
            for table in profile_gateway(folder, quick=self._quick):
                self._console.print(table)

    def compare(self, json_file: Path | None) -> None:
        """Measure all contestants, one after the other."""
        machine = Machine.here()
        self._say(machine.line())
        if self._quick:
            self._say(LEFT_OUT)
        cells: list[Cell] = []
        for entrant in ENTRANTS:
            with self._attempt(entrant.name):
                cells.extend(self._cells_of(entrant))
        self._report(cells)
        if json_file:
            figures = [cell.model_dump(mode="json") for cell in cells]
            targets = [target.figures() for target in tables.targets(cells)]
            write_json(
                json_file,
                {"machine": machine.model_dump(), "cells": figures, "targets": targets},
            )

    def _cells_of(self, entrant: Entrant) -> Iterator[Cell]:
        length = length_for(entrant, quick=self._quick)
        with entrant.start() as contestants:
            for contestant in contestants:
                for streamed, concurrency in length.loads():
                    kind = "streams" if streamed else "plain answers"
                    self._say(f"{contestant.name}: {kind} at concurrency {concurrency}")
                    cell = measure(contestant, length, streamed=streamed, concurrency=concurrency)
                    if cell.outcome.errors:
                        self._say(f"first error: {cell.outcome.first_error}")
                    yield cell

    def _report(self, cells: Sequence[Cell]) -> None:
        self._console.print(tables.plain_table([cell for cell in cells if not cell.streamed]))
        self._console.print(tables.streamed_table([cell for cell in cells if cell.streamed]))
        self._console.print(tables.split_table(cells))
        self._console.print(tables.ratio_table(cells))
        for target in tables.targets(cells):
            self._say(target.line())

    @contextmanager
    def _attempt(self, contestant: str) -> Iterator[None]:
        try:
            yield
        except ContestantError as error:
            self.failed = True
            self._say(f"ERROR {contestant} could not run: {error}")

    def _say(self, text: str) -> None:
        say(self._console, text)


if __name__ == "__main__":
    typer.run(main)
