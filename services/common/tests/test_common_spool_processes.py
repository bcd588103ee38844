"""Processes that die, meet or run into the kernel's limits while they write a spool."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.spool import Spool

WRITER = """
import resource, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from headrace_common.clock import SystemClock
from headrace_common.spool import Spool

if sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
spool = Spool(Path(sys.argv[1]), clock=SystemClock(), registry=CollectorRegistry())
number = 0
while True:
    spool.append(b"%08d" % number * 2500)
    print(number, flush=True)
    number += 1
"""

DYING_WRITER = """
import os, signal, sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from headrace_common.clock import SystemClock
from headrace_common.spool import Spool
from headrace_common.spool.files import SystemFiles

class DyingFiles(SystemFiles):
    def write(self, descriptor, data):
        if not data.endswith(b"%08d" % 3):
            return super().write(descriptor, data)
        os.write(descriptor, data[: int(sys.argv[2])])
        os.kill(os.getpid(), signal.SIGKILL)

directory, clock, registry = Path(sys.argv[1]), SystemClock(), CollectorRegistry()
spool = Spool(directory, clock=clock, registry=registry, files=DyingFiles())
for number in range(4):
    spool.append(b"%08d" % number * 2500)
"""


def _start_writer(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _open(directory: Path) -> Spool:
    return Spool(directory, clock=SystemClock(), registry=CollectorRegistry())


def _drain(directory: Path) -> list[int]:
    spool = _open(directory)
    numbers = []
    while batch := spool.read(7):
        for record in batch:
            assert record.payload == record.payload[:8] * 2500
            numbers.append(int(record.payload[:8]))
        spool.acknowledge(batch[-1].end)
    spool.close()
    return numbers


@pytest.mark.parametrize("reports", [1, 40, 200])
def test_a_killed_process_loses_no_append_that_returned(tmp_path: Path, reports: int) -> None:
    with _start_writer(tmp_path) as writer:
        assert writer.stdout is not None
        for _ in range(reports):
            writer.stdout.readline()
        writer.kill()
        returned = reports + len(writer.stdout.readlines())
    numbers = _drain(tmp_path)
    assert numbers == list(range(len(numbers)))
    assert returned <= len(numbers) <= returned + 1


def test_a_write_that_the_kernel_cuts_short_is_refused_and_cut_back(tmp_path: Path) -> None:
    with _start_writer(tmp_path, "50000") as writer:
        returned, errors = writer.communicate(timeout=30)
    assert "the event spool's disk takes no data" in errors
    assert [line for line in returned.splitlines() if line.isdigit()] == ["0", "1"]
    assert [file.stat().st_size for file in tmp_path.glob("*.segment")] == [2 * 20_024]
    assert _drain(tmp_path) == [0, 1]


def test_a_directory_belongs_to_one_process(tmp_path: Path) -> None:
    with _start_writer(tmp_path) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(HeadraceError) as caught:
            _open(tmp_path)
        writer.kill()
    assert caught.value.reason is Reason.AUDIT_UNAVAILABLE
    assert caught.value.message == f"spool {tmp_path} is in use by process {writer.pid}"
    assert _drain(tmp_path)


@pytest.mark.parametrize("written", [0, 1, 23, 24, 25, 10_000, 20_023, 20_024])
def test_a_process_that_is_killed_within_a_write_leaves_what_it_had_appended(
    tmp_path: Path, written: int
) -> None:
    script = [sys.executable, "-c", DYING_WRITER, str(tmp_path), str(written)]
    path = os.pathsep.join(sys.path)
    ended = subprocess.run(script, env={**os.environ, "PYTHONPATH": path}, timeout=30, check=False)
    assert ended.returncode == -signal.SIGKILL
    [segment] = tmp_path.glob("*.segment")
    assert segment.stat().st_size == 3 * 20_024 + written
    assert _drain(tmp_path) == [0, 1, 2, 3][: 3 + (written == 20_024)]
