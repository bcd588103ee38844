"""The workflows of .github: what they name exists, and they may do no more than they must."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAY_WRITE = {
    ("release", "image"): {"packages"},
    ("release", "sign"): {"packages", "id-token"},
    ("release", "chart"): {"contents", "packages", "id-token"},
    ("scan", "code"): {"security-events"},
}
"""All that jobs may write, by workflow and job."""


def load(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    # YAML 1.1 takes the key `on` for a truth.
    return {"on" if key is True else key: value for key, value in found.items()}


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: str(path.stem))
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    return load(request.param)


def test_there_is_one_for_each_duty() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "deploy", "release", "scan"]


def test_actions_are_of_an_exact_version(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", each)] == []


def test_a_workflow_reads_and_single_jobs_write_what_is_listed() -> None:
    writing = {}
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            granted = job.get("permissions", {})
            if written := {scope for scope, right in granted.items() if right == "write"}:
                writing[path.stem, name] = written
    assert writing == MAY_WRITE


def test_nobody_elses_code_runs_with_our_rights(workflow: dict[str, Any]) -> None:
    assert "pull_request_target" not in workflow["on"]
    assert "workflow_run" not in workflow["on"]
    for step in steps(workflow):
        # What somebody wrote into a title or a branch's name must not become a command.
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_every_job_ends_some_time(workflow: dict[str, Any]) -> None:
    assert all(0 < job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_what_workflows_run_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for path in WORKFLOWS:
        for job in load(path)["jobs"].values():
            named |= set(job.get("strategy", {}).get("matrix", {}).get("target", ()))
        text = path.read_text()
        files = re.findall(r"(?:scripts|helm|services)/[\w./${}-]+", text)
        for file in files:
            for service in services_of(file):
                assert (ROOT / service).exists(), f"{path.name}: {service}"
    assert {"check", "test"} <= named <= targets


def services_of(file: str) -> list[str]:
    """The paths that a path with a matrix's service in it stands for."""
    placeholder = "${{"
    if placeholder not in file:
        return [file]
    services = ("gateway", "auth", "cache", "audit", "inference")
    return [f"{file.partition(placeholder)[0]}{service}/Dockerfile" for service in services]
