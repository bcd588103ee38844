"""One noun per service, the same wherever a service is named."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
GRPC_SERVICES = sorted(set(SERVICES) - {"common", "gateway"})


def test_the_services_are_the_ones_the_architecture_names() -> None:
    assert SERVICES == ["audit", "auth", "cache", "common", "gateway", "inference"]


@pytest.mark.parametrize("service", SERVICES)
def test_folder_distribution_and_package_share_the_noun(service: str) -> None:
    project = tomllib.loads((ROOT / f"services/{service}/pyproject.toml").read_text())["project"]
    assert project["name"] == f"headrace-{service}"
    assert (ROOT / f"services/{service}/src/headrace_{service}/__init__.py").is_file()


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"common"}))
def test_every_service_has_the_same_shape(service: str) -> None:
    package = ROOT / f"services/{service}/src/headrace_{service}"
    for name in ("__main__.py", "settings.py", "app.py", "ports.py", "domain", "adapters"):
        assert (package / name).exists(), f"{service} lacks {name}"
    assert f'env_prefix="HEADRACE_{service.upper()}_"' in (package / "settings.py").read_text()
    lines = (package / "__main__.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 15
    assert len((ROOT / f"services/{service}/README.md").read_text().splitlines()) <= 40
    assert any((ROOT / f"services/{service}/tests").glob("test_*.py"))


@pytest.mark.parametrize("service", GRPC_SERVICES)
def test_proto_package_and_service_share_the_noun(service: str) -> None:
    proto = (ROOT / f"protos/headrace/{service}/v1/{service}.proto").read_text()
    assert f"package headrace.{service}.v1;" in proto
    assert f"service {service.capitalize()}Service {{" in proto


def test_only_settings_read_the_environment() -> None:
    reading = re.compile(r"os\.environ(?!\.setdefault)|os\.getenv")
    offenders = [
        str(path.relative_to(ROOT))
        for path in ROOT.glob("services/*/src/headrace_*/**/*.py")
        if path.name != "settings.py" and reading.search(path.read_text())
    ]
    assert offenders == []
