"""Says on what machine, and beside what other load, figures were measured."""

import os
import platform
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict


class Machine(BaseModel):
    """A machine at the time of a run."""

    model_config = ConfigDict(frozen=True)

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load_average: float
    """Of the last minute before the run: above 0.5, something else was busy as well."""

    @classmethod
    def here(cls) -> "Machine":
        return cls(
            processor=_processor(),
            cores=os.cpu_count() or 1,
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            load_average=round(os.getloadavg()[0], 2),
        )

    def line(self) -> str:
        return (
            f"{self.cores} x {self.processor}, {self.memory_gib} GiB, Linux {self.kernel},"
            f" Python {self.python}; load average before the run: {self.load_average}"
        )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
