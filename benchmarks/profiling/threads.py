"""CPU time by kind of thread, which tells C code's threads from the interpreter's."""

from collections import defaultdict
from pathlib import Path

import psutil


def thread_seconds(process: psutil.Process) -> dict[str, float]:
    """User and system time of all threads so far, by thread name; of a living process."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for thread in process.threads():
        name = "main" if thread.id == process.pid else _name(process.pid, thread.id)
        seconds[name] += thread.user_time + thread.system_time
    return dict(seconds)


def _name(pid: int, thread_id: int) -> str:
    try:
        name = Path(f"/proc/{pid}/task/{thread_id}/comm").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "ended"
    return name.rstrip("0123456789")  # pools number their threads
