"""How the inference service shares one engine between tenants."""

import dataclasses
import json

import typer

from benchmarks import inference_fairness
from benchmarks.processes import ContestantError
from benchmarks.report import JsonFile, Machine, Prepare, Quick, create_console
from headrace_inference.testing import prepared_model


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Measure what a greedy tenant costs the others."""
    console = create_console()
    if prepare:
        console.print(f"The model is at {prepared_model()}.")
        return
    machine = Machine.here()
    console.print(machine.line())
    if quick:
        console.print("Quick: shorter scenes, too few answers for percentiles.")
    try:
        scenes = inference_fairness.measure(quick=quick)
    except ContestantError as error:
        console.print(f"ERROR fairness could not be measured: {error}")
        raise typer.Exit(1) from error
    console.print(inference_fairness.tables(scenes))
    for target in inference_fairness.targets(scenes):
        console.print(target.line())
    if json_file:
        figures = {
            "machine": dataclasses.asdict(machine),
            "fairness": [_figures(scene) for scene in scenes],
        }
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _figures(scene: inference_fairness.Scene) -> dict[str, object]:
    return {
        **dataclasses.asdict(scene),
        "others": scene.others.model_dump(),
        "first": scene.first.model_dump(),
    }


if __name__ == "__main__":
    typer.run(main)
