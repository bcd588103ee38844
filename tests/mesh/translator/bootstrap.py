"""The whole configuration of one Envoy, of parts that belong to one pod or to several."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mesh.translator.proxies import Part

Config = dict[str, Any]


def bootstrap(name: str, parts: Iterable[Part], admin: Config) -> Config:
    """With an admin listener: statistics tell what breakers did."""
    whole = Part()
    for part in parts:
        whole.add(part)
    return {
        "node": {"id": name, "cluster": name},
        "admin": {"address": admin},
        "static_resources": {"listeners": whole.listeners, "clusters": whole.clusters},
    }


def write_bootstrap(path: Path, name: str, parts: Iterable[Part], admin: Config) -> None:
    """As Envoy reads it."""
    path.write_text(json.dumps(bootstrap(name, parts, admin), indent=1))
