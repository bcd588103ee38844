"""Shrinks the official Kubernetes client, 128 MB of generated code, to what the gateway uses of it.

The client imports an API or a model when it is first asked for, so those that nobody asks for may
be absent: all of the synchronous half, and of the asynchronous one every API but `core`. Half of
the rest is documentation, which is left out of bytecode that comes without its source.
"""

import compileall
import sys
from pathlib import Path

USED_API = "core_v1_api.py"


def shrink(client: Path) -> None:
    """`client` is the package's folder."""
    for folder in ("client/api", "client/models", "aio/client/api"):
        for module in (client / folder).glob("[!_]*.py"):
            if folder.startswith("client/") or module.name != USED_API:
                module.unlink()
    # `legacy` puts the bytecode where Python takes it for a module without a source.
    compileall.compile_dir(client, maxlevels=50, quiet=1, legacy=True, optimize=2)
    for module in client.rglob("*.py"):
        module.unlink()


if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
