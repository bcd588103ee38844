"""Where the local stack keeps data, keys, models, logs and state, all private to its owner."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RUNTIME_PREFIX = "headrace-local-"


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The folders of one stack; two stacks with different roots do not touch each other."""

    root: Path
    models: Path

    @classmethod
    def at(cls, root: Path, models: Path | None = None) -> "StateDirectory":
        """Take `root` as state directory, with the models in it or in a folder that is shared."""
        root = root.absolute()
        return cls(root=root, models=(models or root / "models").absolute())

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def mailbox(self) -> Path:
        return self.data / "mailbox"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "lock"

    def log_of(self, component: str) -> Path:
        return self.logs / f"{component}.log"

    def create(self) -> None:
        """Make what is missing, readable by its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.data, self.data / "redis", self.tls, self.logs, self.spool, self.run):
            path.mkdir(mode=0o700, exist_ok=True)
        self.models.mkdir(mode=0o700, parents=True, exist_ok=True)

    def erase(self) -> None:
        """Delete data, spool, keys and secrets; keep the prepared model, which costs a minute."""
        for path in (self.data, self.spool, self.tls, self.logs):
            shutil.rmtree(path, ignore_errors=True)
        self.secrets_file.unlink(missing_ok=True)
        self.state_file.unlink(missing_ok=True)


@contextmanager
def runtime_directory() -> Iterator[Path]:
    """A private directory for Unix sockets, deleted at the end.

    It is under /tmp because the path of a Unix socket holds 107 bytes at most, and a checkout may
    lie deeper than that.
    """
    with tempfile.TemporaryDirectory(
        prefix=RUNTIME_PREFIX,
        dir="/tmp",
        ignore_cleanup_errors=True,
    ) as path:
        yield Path(path)


def remove_runtime_directory(path: Path) -> None:
    """Delete the runtime directory of a supervisor that was killed; other paths are left alone."""
    if path.parent == Path("/tmp") and path.name.startswith(RUNTIME_PREFIX):  # noqa: S108
        shutil.rmtree(path, ignore_errors=True)
