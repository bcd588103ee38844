"""Route tables in YAML files: what they say, which line is wrong, and what happens on change."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.route_file import MAXIMUM_BYTES, RouteFile, parse_routes
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


BOMB = b"a0: &a0 [x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join(9 * [b"*a%d" % (n - 1)])) for n in range(1, 12)
)
"""A few hundred bytes that stand for 9 ** 11 values."""


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
    ("old", "new", "message"),
    [
        (b"weight: 95", b"weight: -1", "routes.yaml, line 5: models.chat.0.targets.0.weight: "),
        (b"weight: 95", b"weight: 1000001", "routes.yaml, line 5: models.chat.0.targets.0.weight"),
        (b"weight: 5\n", b"weight: '5'\n", "routes.yaml, line 8: models.chat.0.targets.1.weight"),
        (b"weight: 5\n", b"weight: true\n", "routes.yaml, line 8: models.chat.0.targets.1.weight"),
        (b"cohort: canary", b"cohort: a b", "routes.yaml, line 9: models.chat.0.targets.1.cohort"),
        (b"small:9000", b"small", "routes.yaml, line 11: models.chat.1.targets.0.address: "),
        (
            b"model: small-chat",
            b"wieght: 1",
            "routes.yaml, line 12: models.chat.1.targets.0.wieght",
        ),
        (b"model: small-chat", b"model: ''", "routes.yaml, line 12: models.chat.1.targets.0.model"),
        (b"address: big-stable:9000", b"", "routes.yaml, line 5: models.chat.0.targets.0.address"),
        (b'[{address: "[::1]:9000"}]', b"[]", "routes.yaml, line 14: models.org/embed.0.targets"),
        (
            b"weight: 95",
            b"weight: 1\n          weight: 2",
            "routes.yaml, line 6: weight is there twice",
        ),
        (b"weight: 95", b"weight: [", "routes.yaml, line "),
        (b"weight: 95", b"weight: *nobody", "routes.yaml, line 5: found undefined alias"),
        (b"weight: 95", b"weight: !!python/object:os.system 1", "routes.yaml, line 5: could not"),
        (b"models:", b"model:", "routes.yaml, line 1: models: "),
        (b"chat:\n", b"1:\n", "routes.yaml, line 2: models.1"),
        (GOOD, b"", "routes.yaml, line 1: the file: "),
        (GOOD, b"[]", "routes.yaml, line 1: the file: "),
        (GOOD, b"models: {}\n---\nmodels: {}", "routes.yaml, line 2: "),
        (GOOD, b"\xff", "routes.yaml: must be UTF-8"),
        (GOOD, b"a\x00", "routes.yaml: a character that YAML does not allow"),
        (GOOD, b"models: {chat: []}", "routes.yaml, line 1: models.chat: "),
        (GOOD, b"a: &a [*a]", "routes.yaml: is nested too deeply"),
        (GOOD, BOMB, "routes.yaml: more than 100000 values"),
        (GOOD, b"? [a]\n: b", "routes.yaml, line 1: a key must be text"),
        (GOOD, 10_000 * b"[", "routes.yaml: is nested too deeply"),
        (b"weight: 95", b"weight: 2026-13-45", "routes.yaml: a value that YAML cannot read: "),
        (b"weight: 95", b"weight: 0x_", "routes.yaml: a value that YAML cannot read: "),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_line(old: bytes, new: bytes, message: str) -> None:
    assert old in GOOD
    with pytest.raises(HeadraceError) as caught:
        parse_routes(GOOD.replace(old, new, 1), "routes.yaml")
    assert caught.value.message.startswith(message), caught.value.message
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "routes_file")


async def test_a_change_that_breaks_a_rule_is_said_once_and_the_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_bytes(GOOD)
    source = RouteFile(path, refresh_seconds=0.001)
    with capture_logs() as logs:
        async with asyncio.timeout(10), aclosing(source.tables()) as tables:
            assert "chat" in await anext(tables)
            path.write_bytes(GOOD.replace(b"95", b"-95"))
            later = asyncio.create_task(anext(tables))
            await until(logs)
            path.write_bytes(GOOD.replace(b"95", b"-95") + b"# the same again")
            assert not later.done()
            path.write_bytes(GOOD.replace(b"chat:", b"talk:", 1))
            assert "talk" in await later
    assert [log["event"] for log in logs] == ["routes_refused"]
    assert "line 5" in logs[0]["reason"]


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
            path.write_bytes(GOOD.replace(b"chat:", b"talk:", 1))
            assert "talk" in await later
    assert logs[0]["reason"] == "routes.yaml: No such file or directory"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b" " * (MAXIMUM_BYTES + 1), "at most 1048576 bytes")],
)
async def test_without_a_good_file_there_is_no_start(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "routes.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HeadraceError, match=message):
        await anext(RouteFile(path, refresh_seconds=1).tables())
