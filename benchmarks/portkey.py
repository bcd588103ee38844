"""Portkey's gateway, on Node.js: one process in front of the canned upstream."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import installation
from benchmarks.contestants import UPSTREAM_MODEL, Contestant, upstream
from benchmarks.processes import ContestantError, listening, tree
from headrace_local.checks import free_port

NAME = "portkey"
VERSION = "1.15.2"
PACKAGE = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": VERSION},
    # With 1.14.4, 1.19.5 and 1.19.19, which its own range allows, it answers every stream with 500.
    "overrides": {"@hono/node-server": "1.13.8"},
}
START_SECONDS = 60.0
PROGRAM = "node_modules/@portkey-ai/gateway/build/start-server.js"


def home() -> Path:
    """The folder of this version."""
    return installation.folder(f"portkey-{VERSION}")


def install() -> None:
    """Have npm install it, unless it is there; raises ContestantError."""
    described, description = home() / "package.json", json.dumps(PACKAGE)
    installed = (home() / PROGRAM).exists()
    if installed and described.exists() and described.read_text("utf-8") == description:
        return
    home().mkdir(parents=True, exist_ok=True)
    described.write_text(description, encoding="utf-8")
    installation.run(("npm", "install", "--no-fund", "--no-audit", "--no-package-lock"), home())


@contextmanager
def start() -> Iterator[Sequence[Contestant]]:
    """The gateway and the upstream behind it. It checks no credential, limit or guard here."""
    if not (home() / PROGRAM).exists():
        raise ContestantError("it is not installed; run with --prepare first")
    with upstream() as model, TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        port = free_port()
        command = ("node", str(home() / PROGRAM), "--headless", f"--port={port}")
        headers = {
            "authorization": "Bearer sk-benchmark",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{model.url}/v1",
        }
        with listening(
            command,
            port,
            Path(folder) / "portkey.log",
            deadline_seconds=START_SECONDS,
            environment={"NODE_ENV": "production"},
        ) as process:
            yield (
                Contestant(
                    NAME,
                    f"http://127.0.0.1:{port}",
                    UPSTREAM_MODEL,
                    lambda: {"portkey": tree(process), **model.processes()},
                    headers,
                ),
            )
