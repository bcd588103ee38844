"""LiteLLM's proxy, the most used gateway in Python: one worker in front of the canned upstream."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import installation
from benchmarks.contestants import UPSTREAM_MODEL, Contestant, upstream
from benchmarks.processes import ContestantError, listening, tree
from headrace_local.checks import free_port

NAME = "litellm"
# Tried beside it: 1.106.10 and 1.109.1 ask for certifi>=2026.10.19 and could not be installed.
VERSION = "1.106.0"
MASTER_KEY = "sk-benchmark"
START_SECONDS = 120.0
ENVIRONMENT = {
    # Prices from the package: the proxy would ask for them outside this machine.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # As its guide for production says.
    "LITELLM_LOG": "ERROR",
    "NO_PROXY": "127.0.0.1,localhost",
}


def home() -> Path:
    """The virtual environment of this version, outside the repository."""
    return installation.folder(f"litellm-{VERSION}")


def install() -> None:
    """Make the virtual environment, unless it is there; raises ContestantError."""
    if _is_installed():
        return
    installation.run((sys.executable, "-m", "venv", str(home())))
    installation.run((_program("pip"), "install", "--quiet", f"litellm[proxy]=={VERSION}"))


@contextmanager
def start() -> Iterator[Sequence[Contestant]]:
    """The proxy and the upstream behind it, whose time is part of a request as well."""
    if not _is_installed():
        raise ContestantError("it is not installed; run with --prepare first")
    with upstream() as model, TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(_config(model.url)), encoding="utf-8")  # JSON is YAML too
        port = free_port()
        command = (
            *(_program("litellm"), "--config", str(config), "--num_workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
        )
        log = Path(folder) / "litellm.log"
        with listening(
            command, port, log, deadline_seconds=START_SECONDS, environment=ENVIRONMENT
        ) as process:
            yield (
                Contestant(
                    NAME,
                    f"http://127.0.0.1:{port}",
                    UPSTREAM_MODEL,
                    lambda: {"litellm": tree(process), **model.processes()},
                    {"authorization": f"Bearer {MASTER_KEY}"},
                ),
            )


def _config(upstream_url: str) -> dict[str, object]:
    model = f"openai/{UPSTREAM_MODEL}"
    target = {"model": model, "api_base": f"{upstream_url}/v1", "api_key": "none"}
    return {
        "model_list": [{"model_name": UPSTREAM_MODEL, "litellm_params": target}],
        "general_settings": {"master_key": MASTER_KEY},
    }


def _is_installed() -> bool:
    return Path(_program("litellm")).exists()


def _program(name: str) -> str:
    return str(home() / "bin" / name)
