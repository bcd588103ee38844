"""What docs/install.md and docs/operations tell operators to type exists, and renders."""

import itertools
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from tests.architecture import operator_pages as pages
from tests.stack import helm
from tests.stack.settings import SETTINGS

from headrace_cli.main import create_app
from headrace_cli.world import World
from headrace_common.errors import Reason

SECRET = {"secrets": {"existingSecret": "headrace-secrets"}}
READERS_FILE = "values.yaml"
OF_OTHERS = {"PGSSLROOTCERT", "HEADRACE_URL", "HEADRACE_CA_FILE"}
"""Variables of libraries and of the command line."""
NAME = re.compile(r"(?<![$\w])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
every_page = pytest.mark.parametrize("page", pages.PAGES, ids=pages.label)


@every_page
def test_every_helm_command_for_this_chart_renders(page: Path) -> None:
    found = pages.commands(page, *(f"helm {verb} headrace" for verb in ("install", "upgrade")))
    for command in found:
        files, overrides = _arguments(command)
        values = helm.merged_values(files, overrides)
        assert helm.render_files({**SECRET, **values} if READERS_FILE in command else values)


def test_helm_commands_are_found() -> None:
    installs = pages.commands(pages.PAGES[0], "helm install headrace")
    assert len(installs) > 2
    _, overrides = _arguments(installs[1])
    assert overrides["gateway.hosts"] == ["llm.example.org"]


def _arguments(command: str) -> tuple[list[Path], dict[str, Any]]:
    """The files of this repository that a command names, and its `--set`s."""
    words = shlex.split(command, comments=True)
    pairs = list(itertools.pairwise(words))
    files = [pages.ROOT / word for option, word in pairs if option == "-f" and word != READERS_FILE]
    given = [word.partition("=") for option, word in pairs if option == "--set"]
    return files, {path: _value(text) for path, _, text in given}


def _value(text: str) -> Any:
    """As Helm reads it: `{a,b}` is a list, numbers and truth are what they look like."""
    listed = re.fullmatch(r"\{(.*)\}", text)
    return listed[1].split(",") if listed else yaml.safe_load(text)


@every_page
def test_every_block_of_values_renders(page: Path) -> None:
    for values in pages.values_blocks(page):
        given = values.get("secrets", {})
        whole = {**values, "secrets": given or SECRET["secrets"]}
        assert helm.render_files(whole)


def test_blocks_of_values_are_found() -> None:
    assert sum(len(pages.values_blocks(page)) for page in pages.PAGES) > 6


@every_page
def test_every_value_that_is_named_exists(page: Path) -> None:
    known = _schema()
    named = {span.partition("=")[0].partition(":")[0] for span in pages.spans(page)}
    paths = {path for path in named if path.split(".")[0] in known["properties"] and "." in path}
    assert {path for path in paths if not _exists(path.split("."), known)} == set()


@cache
def _schema() -> Mapping[str, Any]:
    schema: Mapping[str, Any] = yaml.safe_load((helm.CHART / "values.schema.json").read_text())
    return schema


def _exists(path: list[str], at: Mapping[str, Any]) -> bool:
    """Whether values may have this key; below maps that are free anything may be."""
    if reference := at.get("$ref"):
        target: Any = _schema()
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        return _exists(path, target)
    if not path:
        return True
    inner = at.get("items", at) if path[0].endswith("]") else at
    if "properties" not in inner:
        return inner.get("type") == "object"
    found = inner["properties"].get(path[0].partition("[")[0])
    return found is not None and _exists(path[1:], found)


@pytest.mark.parametrize("path", ["services.gatway.image.tag", "mesh.enabld", "gateway.spool.size"])
def test_a_value_that_is_misspelt_does_not_exist(path: str) -> None:
    assert not _exists(path.split("."), _schema())
    assert _exists(["services", "gateway", "image", "tag"], _schema())


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    settings = {name.upper() for kind in SETTINGS.values() for name in kind.model_fields}
    words = {word for span in pages.spans(page) for word in NAME.findall(span)}
    prefixes = {str(kind.model_config["env_prefix"]) for kind in SETTINGS.values()}
    short = {re.sub("^(" + "|".join(prefixes) + ")", "", word) for word in words}
    assert short - settings - {reason.value for reason in Reason} - OF_OTHERS == set()


@every_page
def test_every_headrace_command_exists(page: Path) -> None:
    inline = [span for span in pages.spans(page) if span.startswith("headrace ")]
    for command in (*pages.commands(page, "headrace "), *inline):
        words = shlex.split(command, comments=True)[1:]
        last = _named_by(words)
        options = {name for parameter in last.params for name in parameter.opts}
        asked = {word for word in words if word.startswith("--")}
        assert asked - options == set(), command
        assert not hasattr(last, "commands"), command


def _named_by(words: list[str]) -> Any:
    """The command at the end of its groups."""
    command: Any = typer.main.get_command(create_app(World()))
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return command


def test_commands_are_found() -> None:
    def found() -> Iterator[str]:
        for page in pages.PAGES:
            yield from pages.commands(page, "headrace ")

    assert {"headrace login", "headrace signing-keys list"} <= set(found())
    assert any(command.startswith("headrace keys create first") for command in found())
