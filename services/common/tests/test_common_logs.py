"""Logs: one JSON object a line, allowed fields only, no text of errors or arguments."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from headrace_common.errors import HeadraceError, Reason
from headrace_common.logs import configure_logging, get_logger

SECRET = "hr_canary_secret"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged during the test; logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logging("test", "instance-1", "INFO", stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def _only(lines: io.StringIO) -> dict[str, Any]:
    [line] = lines.getvalue().splitlines()
    logged: dict[str, Any] = json.loads(line)
    return logged


def test_allowed_fields_are_kept_and_others_are_named_but_not_shown(lines: io.StringIO) -> None:
    get_logger().info("happened", status=200, authorization=SECRET)
    logged = _only(lines)
    assert logged["event"] == "happened"
    assert (logged["service"], logged["instance"], logged["status"]) == ("test", "instance-1", 200)
    assert logged["dropped"] == ["authorization"]
    assert SECRET not in lines.getvalue()


def test_an_errors_text_is_not_logged_but_its_place_is(lines: io.StringIO) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        get_logger().error("failed", exc_info=error)
    logged = _only(lines)
    assert logged["exception"]["type"] == "ValueError"
    assert "test_common_logs.py" in logged["exception"]["where"][-1]
    assert SECRET not in lines.getvalue()


def test_the_text_of_our_own_errors_is_made_to_be_seen(lines: io.StringIO) -> None:
    get_logger().error("failed", exc_info=HeadraceError(Reason.QUEUE_FULL, "the queue is full"))
    assert _only(lines)["exception"]["message"] == "the queue is full"


def test_libraries_lines_keep_their_template_only(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("user %s sent %s", "ada", SECRET)
    logged = _only(lines)
    assert (logged["logger"], logged["event"]) == ("some.library", "user %s sent %s")
    assert SECRET not in lines.getvalue()


def test_levels_below_the_configured_one_are_silent(lines: io.StringIO) -> None:
    get_logger().debug("noise")
    assert lines.getvalue() == ""
