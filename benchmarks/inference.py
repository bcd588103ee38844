"""The inference service: how fast its engines are, and how it shares one between tenants."""

import dataclasses
import json
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from benchmarks import engine_tables, inference_engines, inference_fairness
from benchmarks.processes import ContestantError
from benchmarks.report import JsonFile, Machine, Prepare, Quick, create_console
from headrace_inference.testing import prepared_checkpoint, prepared_model

Part = Annotated[
    Literal["all", "engines", "llamacpp", "fairness"],
    typer.Option("--part", help="Which part to measure; llamacpp is one engine and its server."),
]


def main(
    prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None, part: Part = "all"
) -> None:
    """Measure engines side by side, then what a greedy tenant costs the others."""
    console = create_console()
    if not inference_engines.has_torch():
        console.print("Without transformers: `make .venv/.torch` brings torch.")
    if prepare:
        console.print(f"The model is at {prepared_model()}.")
        if inference_engines.has_torch():
            console.print(f"For transformers it is at {prepared_checkpoint()}.")
        return
    machine = Machine.here()
    console.print(machine.line())
    if quick:
        console.print("Quick: few contestants, short scenes, too few answers for percentiles.")
    figures: dict[str, Any] = {"machine": dataclasses.asdict(machine)}
    try:
        if part != "fairness":
            figures |= _engines(console, quick=quick, llamacpp_only=part == "llamacpp")
        if part in ("all", "fairness"):
            figures |= _fairness(console, quick=quick)
    except ContestantError as error:
        console.print(f"ERROR it could not be measured: {error}")
        raise typer.Exit(1) from error
    if json_file:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _engines(console: Console, *, quick: bool, llamacpp_only: bool) -> dict[str, Any]:
    cells, footprints = inference_engines.run(quick=quick, llamacpp_only=llamacpp_only)
    for table in engine_tables.tables(cells, footprints):
        console.print(table)
    for target in engine_tables.targets(cells):
        console.print(target.line())
    return {
        "engines": [dataclasses.asdict(cell) for cell in cells],
        "footprints": [dataclasses.asdict(footprint) for footprint in footprints],
    }


def _fairness(console: Console, *, quick: bool) -> dict[str, Any]:
    scenes = inference_fairness.measure(quick=quick)
    console.print(inference_fairness.tables(scenes))
    for target in inference_fairness.targets(scenes):
        console.print(target.line())
    return {"fairness": [_figures(scene) for scene in scenes]}


def _figures(scene: inference_fairness.Scene) -> dict[str, object]:
    return {
        **dataclasses.asdict(scene),
        "others": scene.others.model_dump(),
        "first": scene.first.model_dump(),
    }


if __name__ == "__main__":
    typer.run(main)
