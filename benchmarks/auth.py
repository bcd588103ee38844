"""How fast credentials are: verified and known in the gateway, and resolved by auth."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import typer

from benchmarks.auth_known import known_credentials
from benchmarks.auth_logins import resolutions_during_logins
from benchmarks.auth_resolution import resolutions
from benchmarks.auth_revocation import revocations
from benchmarks.measurements import Measurement, tables
from benchmarks.processes import ContestantError
from benchmarks.report import JsonFile, Machine, Prepare, Quick, begin
from headrace_common.logs import configure_logging

MEASURING: dict[str, Callable[..., Iterator[Measurement]]] = {
    "known credentials": known_credentials,
    "resolutions": resolutions,
    "resolutions during logins": resolutions_during_logins,
    "revocations": revocations,
}
"""Each is called with `quick` and yields what it measured, with its targets."""

QUICK_SAYS = "Quick: fewer repetitions; nothing is left out."


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Measure verifying, looking up and resolving of credentials."""
    console, machine = begin(prepare=prepare)
    configure_logging("benchmark", "here", "WARNING")  # of the services that run in this process
    if quick:
        console.print(QUICK_SAYS)
    failed = False
    measured: list[Measurement] = []
    for name, measure in MEASURING.items():
        console.print(f"measuring: {name}")
        try:
            measured.extend(measure(quick=quick))
        except ContestantError as error:
            failed = True
            console.print(f"ERROR {name} could not be measured: {error}")
    for each in measured:
        if each.errors:
            console.print(f"{each.name}: first error: {each.first_error}")
    targets = [target for each in measured for target in each.targets]
    console.print(*tables(measured), *(target.line() for target in targets), sep="\n")
    if json_file:
        json_file.write_text(_json(machine, measured), encoding="utf-8")
    raise typer.Exit(1 if failed else 0)


def _json(machine: Machine, measured: list[Measurement]) -> str:
    figures: dict[str, Any] = {
        "machine": dataclasses.asdict(machine),
        "measurements": [
            {
                "name": each.name,
                "latency": each.latency.model_dump(),
                "per_second": each.per_second,
                "errors": each.errors,
                "cpu_seconds": dict(each.cpu_seconds),
                "targets": [dataclasses.asdict(target) for target in each.targets],
            }
            for each in measured
        ],
    }
    return json.dumps(figures, indent=2) + "\n"


if __name__ == "__main__":
    typer.run(main)
