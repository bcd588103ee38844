"""How fast the gateway is and what a request costs, beside other gateways and what bounds any."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import envoy_answer, litellm, portkey
from benchmarks.cells import FULL, LEFT_OUT, QUICK, Cell, loads, measure
from benchmarks.contestants import BARE_ASGI, HEADRACE, bare_asgi, headrace
from benchmarks.processes import ContestantError
from benchmarks.profile import profile_gateway
from benchmarks.report import JsonFile, Machine, Prepare, Quick, create_console
from benchmarks.tables import tables, targets

STARTS = {
    envoy_answer.NAME: envoy_answer.start,
    BARE_ASGI: bare_asgi,
    litellm.NAME: litellm.start,
    portkey.NAME: portkey.start,
    HEADRACE: headrace,
}

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
        for peer in (litellm, portkey):
            with self._attempt(peer.NAME):
                peer.install()
                self._console.print(f"{peer.NAME} {peer.VERSION} is installed in {peer.home()}.")

    def profile(self, folder: Path) -> None:
        """See where the gateway's time goes."""
        with self._attempt(HEADRACE):
            for table in profile_gateway(folder, quick=self._quick):
                self._console.print(table)

    def compare(self, json_file: Path | None) -> None:
        """Measure all contestants, one after the other."""
        machine = Machine.here()
        self._console.print(machine.line())
        if self._quick:
            self._console.print(LEFT_OUT)
        cells: list[Cell] = []
        for name in STARTS:
            with self._attempt(name):
                cells.extend(self._cells_of(name))
        wanted = list(targets(cells))
        self._console.print(*tables(cells), *(target.line() for target in wanted), sep="\n")
        if json_file:
            figures = {
                "machine": dataclasses.asdict(machine),
                "cells": [cell.model_dump(mode="json") for cell in cells],
                "targets": [dataclasses.asdict(target) for target in wanted],
            }
            json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")

    def _cells_of(self, name: str) -> Iterator[Cell]:
        length = QUICK if self._quick else FULL
        with STARTS[name]() as contestants:
            for contestant in contestants:
                for kind, concurrency in loads(length, ours=name == HEADRACE):
                    told = f"{contestant.name}: {kind.name} at concurrency {concurrency}"
                    self._console.print(told)
                    cell = measure(contestant, length, kind, concurrency)
                    if cell.outcome.errors:
                        self._console.print(f"first error: {cell.outcome.first_error}")
                    yield cell

    @contextmanager
    def _attempt(self, contestant: str) -> Iterator[None]:
        try:
            yield
        except ContestantError as error:
            self.failed = True
            self._console.print(f"ERROR {contestant} could not run: {error}")


if __name__ == "__main__":
    typer.run(main)
