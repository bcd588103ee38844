"""Dockerfiles, Compose, conda, Skaffold: what they name exists, and they agree with the chart."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from scripts.pin_images import pinned
from tests.stack.helm import CHART, Object, render
from tests.stack.settings import SETTINGS

from headrace_common.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SERVICES = list(SETTINGS)
EVALUATION = CHART / "ci/evaluation-values.yaml"
BASE = re.compile(r"^ARG PYTHON_IMAGE=(python:3\.11\.\d+-slim-[a-z]+)$", re.MULTILINE)
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def load(name: str) -> dict[str, Any]:
    found = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(found, dict)
    return found


COMPOSE: dict[str, Any] = load("docker-compose.yml")["services"]
OURS = {name: each for name, each in COMPOSE.items() if "build" in each}


def dockerfile(service: str) -> str:
    return (ROOT / f"services/{service}/Dockerfile").read_text()


def memory_of(text: str) -> int:
    """Bytes of `512m`, `2g` or `512Mi`."""
    found = re.fullmatch(r"(\d+)([mMgG])i?", text)
    assert found is not None, text
    return int(found[1]) * {"m": 2**20, "g": 2**30}[found[2].lower()]


# ---- Dockerfiles ----


def test_all_images_have_one_base_of_an_exact_version() -> None:
    bases = {service: BASE.findall(dockerfile(service)) for service in SERVICES}
    assert all(len(found) == 1 for found in bases.values()), bases
    assert len({found[0] for found in bases.values()}) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_a_dockerfile_ends_as_nobody_special_and_copies_what_exists(service: str) -> None:
    text = dockerfile(service)
    assert f'ENTRYPOINT ["python", "-m", "headrace_{service}"]' in text
    assert "\nUSER 10001:10001\n" in text
    assert not re.search(r"^(HEALTHCHECK|ADD|CMD|SHELL)", text, re.MULTILINE)
    assert re.search(r"^FROM runtime AS dev$", text, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    for path in [each for line in copied for each in line.split()]:
        assert (ROOT / path).exists(), path
    for script in re.findall(r"scripts/images/[\w.]+", text):
        assert (ROOT / script).is_file(), script


# ---- Compose ----


@pytest.mark.parametrize("name", OURS)
def test_compose_runs_our_images_read_only_and_without_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    image = re.fullmatch(r"services/(\w+)/Dockerfile", service["build"]["dockerfile"])
    assert image is not None
    assert service["image"] == f"headrace-{image[1]}"


def test_compose_has_no_secret_and_asks_for_those_that_the_script_makes() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(REQUIRED.findall(text))
    assert len(asked) == 5
    assert re.findall(r"\$\{\w+(?::?[-=+]|\})", text) == [], "a variable that may be absent"
    script = (ROOT / "scripts/compose-secrets.sh").read_text()
    assert set(re.findall(r"^(HEADRACE_\w+)=", script, re.MULTILINE)) == asked
    for service in OURS.values():
        kind = SETTINGS[service["image"].removeprefix("headrace-")]
        for name, value in service.get("environment", {}).items():
            field = kind.model_fields[_field(kind, name)]
            if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())):
                assert REQUIRED.search(value) or value.startswith("redis://"), name
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def _field(kind: type[ServiceSettings], variable: str) -> str:
    """Which setting a variable is; fails unless it is one."""
    prefix = str(kind.model_config["env_prefix"])
    assert variable.startswith(prefix), variable
    name = variable.removeprefix(prefix).lower()
    assert name in kind.model_fields, variable
    return name


@pytest.mark.parametrize("name", ["gateway", "auth", "cache", "audit", "inference", "embeddings"])
def test_compose_starts_services_with_settings_that_they_accept(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = SETTINGS[OURS[name]["image"].removeprefix("headrace-")]
    for variable, value in OURS[name]["environment"].items():
        given = "b2theV9rZXktb2YtZXhhY3RseS0zMi1ieXRlcyEhISE="
        monkeypatch.setenv(variable, REQUIRED.sub(given, value))
    assert kind().environment == "production"


def test_compose_gives_as_much_memory_as_the_chart_and_has_its_stores() -> None:
    objects = render([EVALUATION])
    for owner in _of_kind(objects, "Deployment"):
        [container] = owner["spec"]["template"]["spec"]["containers"]
        limit = container["resources"]["limits"]["memory"]
        assert memory_of(OURS[container["name"]]["mem_limit"]) == memory_of(limit)
    for owner in _of_kind(objects, "StatefulSet"):
        [container] = owner["spec"]["template"]["spec"]["containers"]
        store = COMPOSE[owner["metadata"]["name"].removeprefix("headrace-")]
        assert store["image"] == container["image"]
        limit = container["resources"]["limits"]["memory"]
        assert memory_of(store["mem_limit"]) == memory_of(limit)
        assert store["networks"] == ["stores"]


def _of_kind(objects: list[Object], kind: str) -> list[Object]:
    found = [each for each in objects if each["kind"] == kind]
    assert found
    return found


# ---- conda ----


def test_conda_installs_what_make_does() -> None:
    conda = load("environment.yml")["dependencies"]
    [pip] = [each["pip"] for each in conda if isinstance(each, dict)]
    told = [line.split(" ", 1) for line in pip]
    editable = {path.partition("[")[0] for option, path in told if option == "--editable"}
    packages = {path.parent for path in ROOT.glob("services/*/pyproject.toml")}
    assert {ROOT / path for path in editable} == packages | {ROOT / "local", ROOT / "cli"}
    for option, path in told:
        if option != "--editable":
            assert (ROOT / path).is_file()


# ---- Skaffold ----


def test_skaffold_builds_every_image_and_reloads_what_is_saved() -> None:
    skaffold = load("skaffold.yaml")
    images = [f"headrace-{service}" for service in SERVICES]
    [dev] = [each for each in skaffold["profiles"] if each["name"] == "dev"]
    for artifacts in (skaffold["build"]["artifacts"], dev["build"]["artifacts"]):
        assert [each["image"] for each in artifacts] == images
        assert all((ROOT / each["docker"]["dockerfile"]).is_file() for each in artifacts)
    reload = (ROOT / "scripts/images/reload.py").read_text()
    for artifact in dev["build"]["artifacts"]:
        assert artifact["docker"]["target"] == "dev"
        for rule in artifact["sync"]["manual"]:
            assert any(ROOT.glob(rule["src"]))
            assert rule["src"].startswith(rule["strip"])
            assert f'"{rule["dest"]}"' in reload


def test_skaffold_installs_the_chart_with_what_it_built() -> None:
    skaffold = load("skaffold.yaml")
    assert {each["name"] for each in skaffold["profiles"]} == {"dev", "evaluation", "prod"}
    [release] = skaffold["deploy"]["helm"]["releases"]
    assert ROOT / release["chartPath"] == CHART
    files = [ROOT / name for name in release["valuesFiles"]]
    templates: dict[str, str] = release["setValueTemplates"]
    built = {
        path: re.sub(r"\{\{\.IMAGE_(REPO|TAG)_headrace_(\w+)\}\}", r"\1-\2", value).lower()
        for path, value in templates.items()
    }
    assert images_of(render(files, set=built)) == {f"repo-{s}:tag-{s}" for s in SERVICES}


def images_of(objects: list[Object]) -> set[str]:
    """Of our services."""
    templates = [each["spec"]["template"]["spec"] for each in _of_kind(objects, "Deployment")]
    return {
        container["image"]
        for pod in templates
        for container in (*pod["containers"], *pod.get("initContainers", ()))
    }


# ---- a release ----


def test_a_release_pins_every_image_of_the_chart(tmp_path: Path) -> None:
    digests = {service: f"sha256:{number:064x}" for number, service in enumerate(SERVICES)}
    chart = Path(shutil.copytree(CHART, tmp_path / "headrace"))
    values = chart / "values.yaml"
    values.write_text(pinned(values.read_text(), "registry.test/acme", "v9.8.7", digests))
    assert images_of(render([EVALUATION], chart=chart)) == {
        f"registry.test/acme/headrace-{service}:v9.8.7@{digest}"
        for service, digest in digests.items()
    }
    with pytest.raises(SystemExit, match="is no digest"):
        pinned(values.read_text(), "registry.test", "v1.0.0", dict.fromkeys(SERVICES, "latest"))
