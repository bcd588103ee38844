"""What is in an image and what is not; nothing is started here but Python."""

import json
import re
from collections.abc import Callable

import pytest
from tests.images.builds import MEGABYTE, Build
from tests.images.wheels import SERVICES
from tests.images.workshop import ToolError, inspect, run_container

LARGEST_BYTES = 120 * MEGABYTE
"""Above the base, but for inference, which has an engine and models."""
READ_ONLY = ("--rm", "--network=none", "--read-only", "--read-only-tmpfs=false")

LOOK = r"""
import importlib.util, json, sys, sysconfig
from pathlib import Path

tree = [path for path in Path("/opt/headrace").rglob("*") if path.is_file()]
sources = [path for path in tree if path.suffix == ".py"]
print(json.dumps({
    "installers": [n for n in ("pip", "setuptools", "ensurepip") if importlib.util.find_spec(n)],
    "commands": [p.name for d in (sysconfig.get_path("scripts"), "/usr/local/bin")
                 for p in Path(d).glob("pip*")],
    "tests": [str(path) for path in tree if "tests" in path.parts],
    "caches": [str(path) for path in Path("/").glob("root/.cache/*")],
    "uncompiled": [str(path) for path in sources
                   if not Path(importlib.util.cache_from_source(path)).is_file()],
    "sources": len(sources),
    "writable": [str(path) for path in tree if path.stat().st_mode & 0o022],
}))
"""
"""Printed by the image's own Python."""


def run_python(image: str, program: str, *options: str) -> str:
    entry = ("--entrypoint", "python")
    return run_container(*READ_ONLY, *options, *entry, image, "-c", program)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_small(
    images: dict[str, Build], service: str, report: Callable[[str], None]
) -> None:
    report(str(images[service]))
    if service != "inference":
        assert images[service].bytes_above_base < LARGEST_BYTES


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is_and_runs_as_nobody_special(
    images: dict[str, Build], service: str
) -> None:
    config = inspect("image", images[service].name)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["python", "-m", f"headrace_{service}"]
    assert "Healthcheck" not in config
    assert "PYTHONDONTWRITEBYTECODE=1" in config["Env"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"headrace-{service}"
    assert labels["org.opencontainers.image.revision"] == "tested"
    assert re.fullmatch(
        r"docker\.io/library/python:3\.11\.\d+-slim-\w+",
        labels["org.opencontainers.image.base.name"],
    )


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_bytecode_and_nothing_that_installs_or_tests(
    images: dict[str, Build], service: str
) -> None:
    found = json.loads(run_python(images[service].name, LOOK))
    assert found.pop("sources") > 500
    # Parts for other Pythons and templates are no code of this one.
    uncompiled = [path for path in found.pop("uncompiled") if "/alembic/templates/" not in path]
    assert uncompiled == []
    assert found == {name: [] for name in found}


LOAD = r"""
import ctypes, sysconfig
from pathlib import Path

for library in Path("/opt/headrace").rglob("*.so*"):
    try:
        ctypes.CDLL(library)
    except OSError as error:
        print(error)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_every_library_of_an_image_finds_what_it_is_linked_to(
    images: dict[str, Build], service: str
) -> None:
    assert run_python(images[service].name, LOAD) == ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_without_settings_says_which_it_needs(
    images: dict[str, Build], service: str
) -> None:
    with pytest.raises(ToolError, match=rf"HEADRACE_{service.upper()}_[\w.]+: ") as caught:
        run_container(*READ_ONLY, images[service].name)
    assert "Traceback" not in str(caught.value)


def test_the_gateway_can_ask_kubernetes(images: dict[str, Build]) -> None:
    """With what is left of the official client, against a server that speaks its protocol."""
    assert run_python(images["gateway"].name, DISCOVERY) == "['chat']"


DISCOVERY = r"""
import asyncio
from kubernetes.aio.client import ApiClient, Configuration
from headrace_gateway.adapters.kubernetes_services import KubernetesServices
from headrace_gateway.testing.kubernetes_server import kubernetes_server, labelled

async def main():
    async with kubernetes_server() as server:
        server.put(labelled("a", "chat"))
        client = lambda: ApiClient(Configuration(host=server.url))
        tables = KubernetesServices("llm", connect=client).tables()
        print([*await anext(tables)])
        await tables.aclose()

asyncio.run(main())
"""
