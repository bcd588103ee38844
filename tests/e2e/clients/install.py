"""Clients that others made, installed as they are pinned here, outside of our own environment."""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent
CACHE = Path("~/.cache/headrace/clients").expanduser()
INSTALL_SECONDS = 240


def npm_clients() -> Path:
    """The folder with `node_modules`. Needs node and npm."""
    return _installed("npm", FOLDER / "package-lock.json", _npm)


def python_clients() -> Path:
    """The folder of a virtual environment."""
    return _installed("python", FOLDER / "requirements.txt", _venv)


def _installed(kind: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """Installed once for each content of `lock`, however many tests want it at the same time."""
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / f"{kind}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not complete.exists():
            install(folder)
            complete.touch()
    return folder


def _npm(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


def _venv(folder: Path) -> None:
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    wanted = ("--no-deps", "--no-compile", "-r", str(FOLDER / "requirements.txt"))
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin/python"))
    _run(*pip, "install", "--quiet", "--disable-pip-version-check", *wanted)


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} did not install the clients: {done.stderr[-2000:]}")
