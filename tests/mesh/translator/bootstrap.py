"""The whole configuration of one Envoy, of parts that belong to one pod or to several."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mesh.translator.listeners import LOOPBACK
from tests.mesh.translator.proxies import Part

from headrace_local.envoy import socket_address

Config = dict[str, Any]


def bootstrap(name: str, parts: Iterable[Part], admin_port: int) -> Config:
    """With an admin listener: statistics tell what breakers did."""
    whole = Part()
    for part in parts:
        whole.add(part)
    return {
        "node": {"id": name, "cluster": name},
        "admin": {"address": socket_address(LOOPBACK, admin_port)},
        "static_resources": {"listeners": whole.listeners, "clusters": whole.clusters},
    }


def write_bootstrap(path: Path, name: str, parts: Iterable[Part], admin_port: int) -> None:
    """As Envoy reads it."""
    path.write_text(json.dumps(bootstrap(name, parts, admin_port), indent=1))
