"""Settings that `make up SETTINGS=file` hands to services."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace_local.cli import app
from headrace_local.components import PORT_NAMES, Plan, headrace
from headrace_local.credentials import Credentials
from headrace_local.directories import StateDirectory
from headrace_local.errors import LocalStackError
from headrace_local.settings_file import read_settings

ROUTES = {"gateway": {"routes_file": "routes.yaml"}}


def test_lines_are_settings_by_service_and_comments_say_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text(
        "# a comment\n\n"
        "HEADRACE_GATEWAY_GUARD_POLICY_FILE=policies.yaml\n"
        "  HEADRACE_GATEWAY_STALL_SECONDS=30 \n"
        'HEADRACE_AUTH_TIER_LIMITS=\'{"free": {"requests_per_minute": 1}}\'\n'
        "HEADRACE_INFERENCE_CHAT_TEMPLATE_PATH=\n"
    )
    assert read_settings(file) == {
        "gateway": {"guard_policy_file": "policies.yaml", "stall_seconds": "30"},
        "auth": {"tier_limits": '{"free": {"requests_per_minute": 1}}'},
        "inference": {"chat_template_path": ""},
    }


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("GUARD_POLICY_FILE=policies.yaml", "must be HEADRACE_SERVICE_SETTING=VALUE"),
        ("HEADRACE_REDIS_PORT=1", "must be HEADRACE_SERVICE_SETTING=VALUE"),
        ("HEADRACE_GATEWAY_STALL_SECONDS", "must be HEADRACE_SERVICE_SETTING=VALUE"),
        ("export HEADRACE_GATEWAY_STALL_SECONDS=1", "must be HEADRACE_SERVICE_SETTING=VALUE"),
        ("HEADRACE_GATEWAY_GRPC_ADDRESS=127.0.0.1:1", "GRPC_ADDRESS is chosen by `make up`"),
    ],
)
def test_a_line_that_is_no_setting_is_refused_by_its_number(
    tmp_path: Path, line: str, rule: str
) -> None:
    file = tmp_path / "settings.env"
    file.write_text(f"\n{line}\n")
    with pytest.raises(LocalStackError) as refused:
        read_settings(file)
    assert str(refused.value).startswith(f"{file}:2: {rule}")


def test_a_file_that_is_not_there_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    arguments = ["up", "--state", str(tmp_path / "state"), "--settings", str(tmp_path / "none")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert f"{tmp_path / 'none'} cannot be read: " in result.stderr
    assert not (tmp_path / "state").exists()


def test_a_routes_file_takes_the_place_of_the_table_of_models(tmp_path: Path) -> None:
    plan = Plan(
        directory=StateDirectory.at(tmp_path),
        runtime=tmp_path,
        listen="127.0.0.1",
        port=8443,
        ports=dict(zip(PORT_NAMES, range(15000, 16000), strict=False)),
        credentials=Credentials.generate(),
    )
    usual, routed = (
        next(part for part in headrace(each) if part.name == "gateway").environment
        for each in (plan, replace(plan, settings=ROUTES))
    )
    assert "HEADRACE_GATEWAY_MODELS" in usual
    assert "HEADRACE_GATEWAY_MODELS" not in routed
    assert routed["HEADRACE_GATEWAY_ROUTES_FILE"] == "routes.yaml"
