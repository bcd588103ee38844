"""What `make manifests VALUES=file` prints of somebody's own values."""

import subprocess
import sys
from pathlib import Path

import yaml
from tests.stack.helm import CHART, render


def _print(values: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.manifests", str(values)]
    return subprocess.run(
        command, cwd=CHART.parents[1], capture_output=True, text=True, check=False
    )


def test_the_objects_of_own_values_are_printed_and_files_in_them_can_be_read() -> None:
    values = CHART / "ci/no-mesh-values.yaml"
    printed = _print(values)
    assert list(yaml.safe_load_all(printed.stdout)) == render([values])
    assert "  routes.yaml: |\n    models:\n" in printed.stdout


def test_a_value_that_is_wrong_is_named_without_a_traceback(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("gateway: {guardPolices: text}\n")
    printed = _print(values)
    assert (printed.returncode, printed.stdout) == (1, "")
    assert "'/gateway': additional properties 'guardPolices' not allowed" in printed.stderr
    assert "Traceback" not in printed.stderr
