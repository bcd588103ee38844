"""A stand-in for the official Python image, which no registry brings here, under its name.

Debian's smallest system with the interpreter that runs the tests in /usr/local, where the official
image has its own.
"""

import re
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.images.workshop import ROOT, WORKSHOP, buildah, run

RELEASE = "bookworm"
# What an interpreter is linked to, and what the official image has beside it.
PACKAGES = (
    *("ca-certificates", "netbase", "tzdata", "zlib1g", "libbz2-1.0", "liblzma5", "libffi8"),
    *("libssl3", "libsqlite3-0", "libreadline8", "libncursesw6", "libuuid1", "libexpat1"),
)
UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_name() -> str:
    """What the Dockerfiles' FROM names."""
    dockerfile = (ROOT / "services/cache/Dockerfile").read_text()
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    assert found is not None
    return found[1]


def make_base() -> str:
    """Its name, once the storage has it."""
    name = base_name()
    if name in buildah("images", "--format", "{{.Name}}:{{.Tag}}").replace(
        "docker.io/library/", ""
    ):
        return name
    files = _files()
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, files, "/")
    buildah("config", "--env", f"PATH={PATH}", "--cmd", "python3", container)
    buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{name}")
    return name


def _files() -> Path:
    finished, unfinished = WORKSHOP / "base", WORKSHOP / "base.unfinished"
    if finished.is_dir():
        return finished
    shutil.rmtree(unfinished, ignore_errors=True)
    include = f"--include={','.join(PACKAGES)}"
    run(("debootstrap", "--variant=minbase", include, RELEASE, unfinished))
    for folder in UNUSED:
        shutil.rmtree(unfinished / folder)
    _add_python(unfinished)
    return unfinished.rename(finished)


def _add_python(system: Path) -> None:
    local, version = system / "usr/local", f"python{sysconfig.get_python_version()}"
    prefix = Path(sys.base_prefix)
    shutil.copytree(
        prefix / "lib" / version,
        local / "lib" / version,
        symlinks=True,
        ignore=shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "*.a"),
    )
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, local / "lib", follow_symlinks=False)
    shutil.copy2(prefix / "bin" / version, local / "bin" / version)
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to(version)
    (local / "lib" / version / "site-packages").mkdir()
    run(("chroot", system, "ldconfig"))
    run(("chroot", system, "python", "-m", "ensurepip"), env={"PATH": PATH})
