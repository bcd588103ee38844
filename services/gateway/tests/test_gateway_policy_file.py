"""Guard policies from a file: read again when it changes, kept while what it says is broken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.errors import HeadraceError
from headrace_gateway.adapters.memory import MemoryGuardPolicies
from headrace_gateway.adapters.policy_file import PolicyFile, shipped_policies
from headrace_gateway.ports import GuardPolicies

RULES = "version: 1\npolicies: {default: {rules: [{id: a, deny: ['%s'], action: flag}]}}\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> str:
    """What it held."""
    text = path.read_text()
    path.unlink()
    return text


def link(path: Path, target: Path) -> None:
    """Make `path` a link, in place of what it was."""
    fresh = path.with_name("fresh")
    fresh.symlink_to(target)
    fresh.replace(path)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "guard.yaml"
    file.write_text(RULES % "first")
    return file


def open_file(path: Path, registry: CollectorRegistry) -> PolicyFile:
    return PolicyFile(path, registry, maximum_prompt_characters=1000, refresh_seconds=60)


def loads(registry: CollectorRegistry, outcome: str) -> float | None:
    return registry.get_sample_value(
        "headrace_gateway_guard_policy_loads_total", {"outcome": outcome}
    )


def is_current(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("headrace_gateway_guard_policies_current")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: open_file(path, CollectorRegistry()),
        lambda path: MemoryGuardPolicies(shipped_policies(maximum_prompt_characters=1000)),
    ],
    ids=["file", "memory"],
)
def test_there_is_a_policy_for_everybody(make: Callable[[Path], GuardPolicies], path: Path) -> None:
    policies = make(path)
    assert policies.book.policy_for("org_1", "echo") is policies.book.default


async def test_a_changed_file_is_taken_over(path: Path, registry: CollectorRegistry) -> None:
    policies = open_file(path, registry)
    before = policies.book
    await policies.refresh()
    assert policies.book is before
    write(path, RULES % "second")
    await policies.refresh()
    assert policies.book.default.version != before.default.version
    assert (loads(registry, "loaded"), is_current(registry)) == (2, 1)


async def test_a_link_that_points_elsewhere_is_a_change(
    path: Path, registry: CollectorRegistry
) -> None:
    """A ConfigMap in Kubernetes is a link to a link, and a new version is a new place of that."""
    mounted, other = path.with_name("mounted.yaml"), path.with_name("other.yaml")
    link(mounted, path)
    policies = open_file(mounted, registry)
    before = policies.book
    write(other, RULES % "second")
    link(mounted, other)
    await policies.refresh()
    assert policies.book is not before


@pytest.mark.parametrize("broken", ["version: 1", "a: [", RULES % "(", 10_000 * "["])
async def test_a_broken_file_leaves_in_force_what_was_and_says_so(
    broken: str, path: Path, registry: CollectorRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = open_file(path, registry)
    before = policies.book
    write(path, broken)
    for _ in range(2):
        await policies.refresh()
    assert policies.book is before
    assert (loads(registry, "refused"), is_current(registry)) == (1, 0)
    told = capsys.readouterr().out
    assert told.count("guard_policies_refused") == 1
    assert "guard.yaml:" in told
    write(path, RULES % "first")
    await policies.refresh()
    assert is_current(registry) == 1


async def test_a_file_that_goes_away_leaves_in_force_what_was(
    path: Path, registry: CollectorRegistry
) -> None:
    policies = open_file(path, registry)
    before = policies.book
    away = remove(path)
    for _ in range(3):
        await policies.refresh()
    assert policies.book is before
    assert (loads(registry, "refused"), is_current(registry)) == (1, 0)
    write(path, away)
    await policies.refresh()
    assert is_current(registry) == 1


@pytest.mark.parametrize("text", [None, "version: 1"])
def test_a_gateway_does_not_start_without_its_policies(
    text: str | None, path: Path, registry: CollectorRegistry
) -> None:
    path.unlink() if text is None else write(path, text)
    with pytest.raises(HeadraceError, match=r"guard\.yaml:1: "):
        open_file(path, registry)
