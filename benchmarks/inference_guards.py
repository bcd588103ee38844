"""What guards the inference service: cheap scrapes, fast refusals, slots freed by hang-ups."""

import dataclasses
import json
from collections.abc import Callable, Mapping

import typer

from benchmarks import inference_hang_ups, inference_refusals, inference_scrapes
from benchmarks.measurements import Measurement, tables
from benchmarks.processes import ContestantError
from benchmarks.report import JsonFile, Prepare, Quick, begin
from headrace_inference.testing import prepared_model

PARTS: Mapping[str, Callable[..., list[Measurement]]] = {
    "scrapes": inference_scrapes.measure,
    "refusals": inference_refusals.measure,
    "hang-ups": inference_hang_ups.measure,
}


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Measure each guard against its target."""
    console, machine = begin(
        prepare=prepare, prepared=lambda: f"The model is at {prepared_model()}."
    )
    if quick:
        console.print("Quick: fewer times each, and too few hang-ups for percentiles.")
    measured: list[Measurement] = []
    for name, measure in PARTS.items():
        try:
            measured += measure(quick=quick)
        except ContestantError as error:
            console.print(f"ERROR {name} could not be measured: {error}")
            raise typer.Exit(1) from error
    for table in tables(measured):
        console.print(table)
    for target in (target for each in measured for target in each.targets):
        console.print(target.line())
    if json_file:
        figures = {
            "machine": dataclasses.asdict(machine),
            "guards": {each.name: each.latency.model_dump() for each in measured},
        }
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
