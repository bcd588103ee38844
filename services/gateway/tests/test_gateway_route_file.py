"""Route tables in YAML files: what they say, which line is wrong, and what happens on change."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headrace_gateway.adapters.route_file import RouteFile, parse_routes
from headrace_gateway.adapters.yaml_reader import MAXIMUM_BYTES, FileFaultError
from headrace_gateway.domain.routes import Endpoint, Target

GOOD = b"""\
models:
  chat:
    - targets:
        - address: big-stable:9000
          weight: 95
          cohort: stable
        - address: big-canary:9000
          weight: 5
          cohort: canary
    - targets:
        - address: small:9000
          model: small-chat
  org/embed:
    - targets: [{address: "[::1]:9000"}]
"""


def put(path: Path, content: bytes) -> None:
    """Like a ConfigMap's, the file is never half there."""
    fresh = path.with_name("fresh")
    fresh.write_bytes(content)
    fresh.replace(path)


async def until(logs: list[Any]) -> None:
    while not logs:  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.001)


def test_groups_targets_and_defaults() -> None:
    assert parse_routes(GOOD, "routes.yaml") == {
        "chat": (
            (
                Target(Endpoint("big-stable:9000", "stable"), "chat", 95),
                Target(Endpoint("big-canary:9000", "canary"), "chat", 5),
            ),
            (Target(Endpoint("small:9000"), "small-chat", 100),),
        ),
        "org/embed": ((Target(Endpoint("[::1]:9000"), "org/embed", 100),),),
    }


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"weight: 95", b"weight: -1", "5: models.chat[0].targets[0].weight: must be a whole"),
        (b"weight: 95", b"weight: 1000001", "5: models.chat[0].targets[0].weight: must be a whole"),
        (b"weight: 5\n", b"weight: '5'\n", "8: models.chat[0].targets[1].weight: must be a whole"),
        (b"weight: 5\n", b"weight: true\n", "8: models.chat[0].targets[1].weight: must be a whole"),
        (b"cohort: canary", b"cohort: a b", "9: models.chat[0].targets[1].cohort: must be 1 to 64"),
        (b"cohort: canary", b"cohort: 2026-13-01", "9: models.chat[0].targets[1].cohort: must be"),
        (b"small:9000", b"small", "11: models.chat[1].targets[0].address: must be host:port"),
        (b"model: small-chat", b"wieght: 1", "12: models.chat[1].targets[0].wieght: is unknown"),
        (b"model: small-chat", b"model: ''", "12: models.chat[1].targets[0].model: must be 1 to"),
        (b"address: big-stable:9000", b"", "5: models.chat[0].targets[0].address: is required"),
        (b"address: small:9000", b"address:", "11: models.chat[1].targets[0].address: must be"),
        (b'[{address: "[::1]:9000"}]', b"[]", "14: models.org/embed[0].targets: must not be empty"),
        (
            b"weight: 95",
            b"weight: 1\n          weight: 2",
            "6: models.chat[0].targets[0].weight: is there twice",
        ),
        (b"weight: 95", b"weight: [", "7: file: is no YAML"),
        (b"weight: 95", b"weight: *nobody", "5: file: is no YAML: found undefined alias"),
        (b"weight: 95", b"weight: !!python/object:os.system 1", "5: models.chat[0].targets[0].w"),
        (b"models:", b"model:", "2: file.model: is unknown; known are models"),
        (b"chat:\n", b"1:\n", "2: models: must be text; write it in quotes"),
        (b"chat:\n", b"'':\n", "3: models.: a model's id must be 1 to 200 characters"),
        (b"chat:\n", b"c" * 201 + b":\n", f"3: models.{'c' * 201}: a model's id must be 1 to"),
        (GOOD, b"", "1: file: is empty"),
        (GOOD, b"[]", "1: file: must be a mapping"),
        (GOOD, b"{}", "1: file.models: is required"),
        (GOOD, b"models: {}\n---\nmodels: {}", "2: file: is no YAML"),
        (GOOD, b"\xff", "1: file: must be UTF-8"),
        (GOOD, b"a\x00", "1: file: is no YAML"),
        (GOOD, b"models: {chat: []}", "1: models.chat: must not be empty"),
        (GOOD, b"models: &all {chat: *all}", "1: models.chat: must be a list"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_line(old: bytes, new: bytes, fault: str) -> None:
    assert old in GOOD
    with pytest.raises(FileFaultError) as caught:
        parse_routes(GOOD.replace(old, new, 1), "routes.yaml")
    assert caught.value.message.startswith(f"routes.yaml:{fault}"), caught.value.message


async def test_a_change_that_breaks_a_rule_is_said_once_and_the_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(GOOD)
    source = RouteFile(path, refresh_seconds=0.001)
    with capture_logs() as logs:
        async with asyncio.timeout(10), aclosing(source.tables()) as tables:
            assert "chat" in await anext(tables)
            put(path, GOOD.replace(b"95", b"-95"))
            later = asyncio.create_task(anext(tables))
            await until(logs)
            assert not later.done()
            put(path, GOOD.replace(b"chat:", b"talk:", 1))
            assert "talk" in await later
    assert [log["event"] for log in logs] == ["routes_refused"]
    assert "routes.yaml:5: models.chat[0].targets[0].weight: " in logs[0]["reason"]


async def test_a_file_that_goes_away_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(GOOD)
    with capture_logs() as logs:
        async with (
            asyncio.timeout(10),
            aclosing(RouteFile(path, refresh_seconds=0.001).tables()) as tables,
        ):
            await anext(tables)
            path.unlink()
            later = asyncio.create_task(anext(tables))
            await until(logs)
            put(path, GOOD.replace(b"chat:", b"talk:", 1))
            assert "talk" in await later
    assert logs[0]["reason"] == f"{path}:1: file: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b" " * (MAXIMUM_BYTES + 1), "must not be larger than 1048576 bytes")],
)
async def test_without_a_good_file_there_is_no_start(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "routes.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFaultError, match=message):
        await anext(RouteFile(path, refresh_seconds=1).tables())
