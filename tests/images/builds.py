"""Builds every image from its Dockerfile, over the stand-in of its base, and measures it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from tests.images.base import make_base
from tests.images.wheels import PLACE, SERVICES, gather
from tests.images.workshop import ROOT, WORKSHOP, buildah, inspect, podman

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Build:
    """An image, and what it adds to its base."""

    service: str
    name: str
    seconds: float
    bytes_above_base: int
    layers: tuple[int, ...]
    """Bytes of each layer above the base, as they are on disk."""

    def __str__(self) -> str:
        layers = " + ".join(f"{size / MEGABYTE:.1f}" for size in self.layers)
        total = self.bytes_above_base / MEGABYTE
        return f"{self.service}: {total:.1f} MB above the base ({layers}), {self.seconds:.0f} s"


def build_all() -> dict[str, Build]:
    """All images, by service."""
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    base = make_base()
    wheels, pip_settings = gather()
    return {service: _build(service, base, wheels, pip_settings) for service in SERVICES}


def image_name(service: str) -> str:
    return f"localhost/headrace-{service}:tested"


def _build(service: str, base: str, wheels: Path, pip_settings: Path) -> Build:
    started, name = time.monotonic(), image_name(service)
    buildah(
        *("bud", "--quiet", "--isolation", "chroot", "--layers"),
        # Both as somebody passes them who has a package index of his own.
        *("--secret", f"id=pip_conf,src={pip_settings}", "--volume", f"{wheels}:{PLACE}:ro"),
        *("--build-arg", "REVISION=tested", "--file", f"services/{service}/Dockerfile"),
        *("--tag", name, ROOT),
    )
    seconds = time.monotonic() - started
    image, below = inspect("image", name), inspect("image", base)
    depth = len(below["RootFS"]["Layers"])
    return Build(service, name, seconds, image["Size"] - below["Size"], _layer_sizes(name)[depth:])


def _layer_sizes(image: str) -> tuple[int, ...]:
    """From the lowest one on; steps of the Dockerfile that made no layer are left out."""
    steps = json.loads(podman("image", "history", "--format", "json", image))
    return tuple(step["size"] for step in reversed(steps) if step["size"])
