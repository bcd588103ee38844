"""Renders the chart into k8s/rendered and istio/rendered, one file for each object.

For those who want to read what the chart makes, or apply it without Helm; tests/mesh puts the Istio
objects in front of real processes. The values are those of helm/headrace/ci/ha-values.yaml. With
values files of one's own it prints what becomes of these.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from tests.stack.helm import CHART, BlockDumper, ChartError, Object, render

ROOT = Path(__file__).parents[1]
VALUES = CHART / "ci/ha-values.yaml"
ISTIO_GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io")
HEAD = f"# Made by `make manifests` of {VALUES.relative_to(ROOT)}.\n"


def manifests() -> dict[Path, str]:
    """The text of each file, by its path."""
    files: dict[Path, str] = {}
    for found in render([VALUES]):
        file = _file(found)
        if file in files:
            sys.exit(f"{file}: two objects have this kind and name")
        files[file] = HEAD + _yaml([found])
    return files


def _yaml(objects: Sequence[Object]) -> str:
    return yaml.dump_all(objects, Dumper=BlockDumper, sort_keys=False, width=120)


def _file(found: Object) -> Path:
    folder = "istio" if found["apiVersion"].startswith(ISTIO_GROUPS) else "k8s"
    name = f"{found['kind'].lower()}-{found['metadata']['name']}.yaml"
    return ROOT / folder / "rendered" / name


def main() -> None:
    """With --check nothing is written: exit code 1 and the names of files that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("values", nargs="*", type=Path, help="print what becomes of these files")
    arguments = parser.parse_args()
    try:
        if arguments.values:
            sys.stdout.write(_yaml(render(arguments.values)))
            return
        wanted = manifests()
    except (ChartError, FileNotFoundError) as error:
        sys.exit(str(error))
    _write(wanted, check=arguments.check)


def _write(wanted: dict[Path, str], *, check: bool) -> None:
    there = {file: file.read_text() for file in ROOT.glob("*/rendered/*.yaml")}
    different = sorted(file for file in wanted | there if wanted.get(file) != there.get(file))
    if check and different:
        names = "\n".join(str(file.relative_to(ROOT)) for file in different)
        sys.exit(f"{names}\nare out of date: run `make manifests` and commit the result.")
    for file in different:
        if file in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[file])
        else:
            file.unlink()


if __name__ == "__main__":
    main()
