"""One inference process with the default model, asked through gRPC."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.processes import ContestantError, listening
from headrace_inference.testing import prepared_model
from headrace_inference.weights.source import PreparationError
from headrace_local.checks import free_port

MODEL = "smollm2-135m-instruct"
START_SECONDS = 120.0


def inference_command(**settings: str) -> tuple[tuple[str, ...], int, dict[str, str]]:
    """How to start it: command, gRPC port, environment. `settings` are inference's.

    Raises ContestantError where the default model cannot be prepared.
    """
    try:
        model_path = prepared_model()
    except PreparationError as error:
        raise ContestantError(str(error)) from error
    port = free_port()
    named = {
        "MODEL_PATH": str(model_path),
        "MODEL_ID": MODEL,
        "GRPC_ADDRESS": f"127.0.0.1:{port}",
        "METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
        "LOG_LEVEL": "ERROR",
        **settings,
    }
    environment = {f"HEADRACE_INFERENCE_{name}": value for name, value in named.items()}
    return (sys.executable, "-m", "headrace_inference"), port, environment


@dataclass(frozen=True, slots=True)
class InferenceProcess:
    """Where it listens, and the process itself."""

    address: str
    metrics_address: str
    process: psutil.Process


@contextmanager
def running_inference(**settings: str) -> Iterator[InferenceProcess]:
    """It may still load its model. Raises ContestantError."""
    metrics_address = f"127.0.0.1:{free_port()}"
    command, port, environment = inference_command(METRICS_ADDRESS=metrics_address, **settings)
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder:
        log = Path(folder) / "inference.log"
        with listening(
            command, port, log, deadline_seconds=START_SECONDS, environment=environment
        ) as process:
            yield InferenceProcess(f"127.0.0.1:{port}", metrics_address, process)


@contextmanager
def inference_process(**settings: str) -> Iterator[str]:
    """The same, where it listens only."""
    with running_inference(**settings) as running:
        yield running.address
