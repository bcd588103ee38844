"""All methods of the protos."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import headrace


@cache
def methods() -> frozenset[str]:
    """By their paths over HTTP, `/package.Service/Method`."""
    return frozenset(_methods())


def _methods() -> Iterator[str]:
    [root] = map(Path, headrace.__path__)
    for file in root.rglob("*_pb2.py"):
        module = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        for service in import_module(module).DESCRIPTOR.services_by_name.values():
            yield from (f"/{service.full_name}/{method.name}" for method in service.methods)
