"""Freezing a process for tests: none that it has started goes on."""

import subprocess
import sys
import time

import psutil

from headrace_local.testing import suspended

FORKING = """
import subprocess
while True:
    subprocess.Popen(["sleep", "0.01"])
    print("forked", flush=True)
"""
# A parent that the signal meets in vfork waits in the kernel for its stopped child.
AT_REST = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DISK_SLEEP}


def _assert_comes_to_rest(leader: psutil.Process) -> None:
    """A signal that was sent takes a moment; a child that escaped would fork on for ever."""
    deadline = time.monotonic() + 5
    while {member.status() for member in (leader, *leader.children(recursive=True))} - AT_REST:
        assert time.monotonic() < deadline


def test_a_leader_that_starts_children_all_the_time_is_stopped_with_all_of_them() -> None:
    with subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        leader = psutil.Process(process.pid)
        for _ in range(20):
            process.stdout.readline()
            with suspended(leader):
                _assert_comes_to_rest(leader)
        process.kill()
