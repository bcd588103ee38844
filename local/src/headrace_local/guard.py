"""Starts a program that cannot outlive its parent, by prctl(2) in a process of its own before exec.

It runs as `python -I -S guard.py PARENT COMMAND...`: a fresh interpreter instead of a `preexec_fn`,
which could deadlock in a program with threads.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def guarded(command: Sequence[str]) -> tuple[str, ...]:
    """The command line that runs `command` until it ends or this process does.

    "This process" is the thread that starts it: the kernel watches the thread, so that one must
    live as long as the child shall.
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends.

    Call it again after a change of user, which clears the setting.

    Raises:
        OSError: prctl refused.
        SystemExit: the parent was gone before the kernel knew.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Take the parent's process id and the command from the arguments."""
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
