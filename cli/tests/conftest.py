"""A terminal at which nobody has logged in yet."""

from pathlib import Path

import pytest

from headrace_cli.testing import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "headrace" / "session.json")
