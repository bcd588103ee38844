"""What a model needs and what there is, from files as the kernel writes them."""

from pathlib import Path

import pytest

from headrace_inference.testing import prepared_model
from headrace_inference.weights.memory import (
    SPARE_BYTES,
    ModelDoesNotFitError,
    check_fits,
    free_bytes,
)

MEMINFO = "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:    2000000 kB\n"
KV_BYTES = 2 * 2 * 30 * 3 * 64
"""SmolLM2-135M: keys and values, half precision, 30 layers, 3 heads of 64."""


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text(MEMINFO)
    return path


def cgroup(folder: Path, bound: str, used: int, cached: int) -> Path:
    folder.mkdir()
    (folder / "memory.max").write_text(f"{bound}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\nfile 6\ninactive_file {cached}\n")
    return folder


def test_a_machine_has_what_the_kernel_says_is_available(meminfo: Path, tmp_path: Path) -> None:
    assert free_bytes(meminfo, tmp_path / "none") == 2_000_000 * 1024
    unbound = cgroup(tmp_path / "unbound", "max", 5, 5)
    assert free_bytes(meminfo, unbound) == 2_000_000 * 1024


def test_a_container_has_what_its_bound_leaves_and_its_cache_gives_back(
    meminfo: Path, tmp_path: Path
) -> None:
    bound = cgroup(tmp_path / "bound", "1000", 700, 100)
    assert free_bytes(meminfo, bound) == 400
    roomy = cgroup(tmp_path / "roomy", str(10**12), 700, 100)
    assert free_bytes(meminfo, roomy) == 2_000_000 * 1024


def test_a_model_fits_to_the_byte_and_else_it_is_said_what_to_do() -> None:
    model = prepared_model()
    needed = model.stat().st_size + 8 * 2048 * KV_BYTES + SPARE_BYTES
    with pytest.raises(ModelDoesNotFitError, match="for 8 slots of 2048 tokens: lower SLOTS"):
        check_fits(model, slots=8, context_tokens=2048, free=needed - 1)
    check_fits(model, slots=8, context_tokens=2048, free=needed)
