"""Preparation for a server in another process: a link that leads to the model, shipped models."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from headrace_inference.prepare import DEFAULT_NAME, MODELS, link_to, prepare
from headrace_inference.weights.source import PreparationError


def write_model(path: Path) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_token_list(["a", "b"])
    writer.add_tensor("norm", np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def run_prepare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace_inference.prepare", *map(str, arguments)]
    # No test of this file may reach for an index.
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_links_to_what_it_prepared(tmp_path: Path) -> None:
    source = write_model(tmp_path / "tiny.gguf")
    link = tmp_path / "models" / "current"
    done = run_prepare("--directory", tmp_path / "models", "--source", source, "--link", link)
    assert (done.returncode, done.stdout) == (0, f"{source}\n")
    assert link.is_symlink()
    assert link.resolve() == source


def test_a_link_is_replaced_and_leads_on_where_its_directory_is_mounted(tmp_path: Path) -> None:
    directory = tmp_path / "models"
    directory.mkdir()
    link = directory / "current"
    for name in ("one.gguf", "two.gguf"):
        link_to(write_model(directory / name), link)
        assert link.readlink() == Path(name)
    moved = directory.rename(tmp_path / "elsewhere")
    assert (moved / "current").resolve() == moved / "two.gguf"
    assert sorted(path.name for path in moved.iterdir()) == [
        ".prepare.lock",
        "current",
        "one.gguf",
        "two.gguf",
    ]


def test_what_is_no_link_is_not_replaced(tmp_path: Path) -> None:
    model = write_model(tmp_path / "tiny.gguf")
    file, directory = tmp_path / "file", tmp_path / "directory"
    file.write_text("precious")
    directory.mkdir()
    for place in (file, directory):
        with pytest.raises(PreparationError, match="is not a link"):
            link_to(model, place)
    assert file.read_text() == "precious"
    done = run_prepare("--directory", tmp_path / "m", "--source", model, "--link", file)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"cannot prepare the model: {file} is not a link; give a path that may be replaced"
    )


def test_a_shipped_model_is_used_where_it_is(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    model = write_model(shipped / MODELS[DEFAULT_NAME].file)
    assert prepare(tmp_path / "models", shipped=shipped) == model
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".prepare.lock"]
