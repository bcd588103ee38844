"""Prints what a service needs of others' packages: `python requirements.py gateway[kubernetes]`."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

SERVICE = re.compile(r"(?:headrace-)?([a-z]+)(?:\[([a-z,]*)\])?")


def requirements(service: str) -> Iterator[str]:
    """Of the service and of our own packages that it needs."""
    found = re.fullmatch(SERVICE, service)
    if found is None:
        raise SystemExit(f"{service} is not SERVICE or SERVICE[EXTRA,...]")
    name, extras = found.groups(default="")
    project = tomllib.loads(Path("services", name, "pyproject.toml").read_text())["project"]
    lines = project["dependencies"]
    for extra in filter(None, extras.split(",")):
        lines = [*lines, *project["optional-dependencies"][extra]]
    for line in lines:
        if line.startswith("headrace-"):
            yield from requirements(line)
        else:
            yield line


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in requirements(sys.argv[1]))
