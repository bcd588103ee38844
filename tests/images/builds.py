"""Builds every image from its Dockerfile, over the stand-in of its base, and measures it."""

import json
import time
from dataclasses import dataclass
from typing import Any

from tests.images.base import make_base
from tests.images.wheels import FOLDER, PLACE, SERVICES, SETTINGS, gather
from tests.images.workshop import ROOT, buildah, inspect, podman

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
    base = inspect("image", make_base())
    gather()
    return {service: _build(service, base) for service in SERVICES}


def build_dev(service: str) -> str:
    """The name of the image for development, after `build_all`."""
    name = f"localhost/headrace-{service}:dev"
    _bud(service, name, "--target", "dev")
    return name


def image_name(service: str) -> str:
    return f"localhost/headrace-{service}:tested"


def _build(service: str, base: dict[str, Any]) -> Build:
    started, name = time.monotonic(), image_name(service)
    _bud(service, name, "--build-arg", "REVISION=tested")
    seconds = time.monotonic() - started
    above = inspect("image", name)["Size"] - base["Size"]
    layers = _layer_sizes(name)[len(base["RootFS"]["Layers"]) :]
    return Build(service, name, seconds, above, layers)


def _bud(service: str, name: str, *options: str) -> None:
    buildah(
        *("bud", "--quiet", "--isolation", "chroot", "--layers", *options),
        # Both as somebody passes them who has a package index of his own.
        *("--secret", f"id=pip_conf,src={SETTINGS}", "--volume", f"{FOLDER}:{PLACE}:ro"),
        *("--file", f"services/{service}/Dockerfile", "--tag", name, ROOT),
    )


def _layer_sizes(image: str) -> tuple[int, ...]:
    """From the lowest one on; steps of the Dockerfile that made no layer are left out."""
    steps = json.loads(podman("image", "history", "--format", "json", image))
    return tuple(step["size"] for step in reversed(steps) if step["size"])
