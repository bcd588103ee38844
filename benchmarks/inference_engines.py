"""Our service with each engine beside the engines' own servers, over the same weights."""

import asyncio
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import engine_tables as names
from benchmarks.engine_contestants import (
    Contestant,
    headrace,
    original_model,
    transformers_server,
    xllamacpp_server,
)
from benchmarks.engine_speed import LOADS, QUICK_LOADS, Cell, Footprint, measure
from benchmarks.processes import ContestantError
from headrace_inference.testing import prepared_checkpoint, prepared_model
from headrace_inference.weights.source import PreparationError

ALONE = {"SPINS": "300000"}
"""As one sets it where nothing else runs: xllamacpp's server waits like that, too."""


def has_torch() -> bool:
    """Whether the contestants that need it can run."""
    return find_spec("torch") is not None


def run(*, quick: bool, llamacpp_only: bool) -> tuple[list[Cell], list[Footprint]]:
    """Start everybody and measure; raises ContestantError."""
    with TemporaryDirectory(prefix="headrace-benchmark-") as folder, ExitStack() as stack:
        try:
            contestants = _start(stack, Path(folder), quick=quick, llamacpp_only=llamacpp_only)
        except PreparationError as error:
            raise ContestantError(str(error)) from error
        return asyncio.run(measure(contestants, QUICK_LOADS if quick else LOADS))


def _start(stack: ExitStack, folder: Path, *, quick: bool, llamacpp_only: bool) -> list[Contestant]:
    start = stack.enter_context
    server = start(xllamacpp_server(names.SERVER, prepared_model()))
    contestants = [start(headrace(names.HEADRACE)), server]
    if quick:
        return contestants
    contestants.append(start(headrace(names.HEADRACE_ALONE, ALONE, slow=True)))
    if llamacpp_only:
        return contestants
    contestants += [
        start(headrace(names.HEADRACE_OPENAI, _remote(server), slow=True)),
        start(xllamacpp_server(names.SERVER_Q4_1, original_model(folder), slow=True)),
    ]
    if has_torch():
        checkpoint = prepared_checkpoint()
        settings = {"ENGINE": "transformers", "MODEL_PATH": str(checkpoint)}
        contestants += [
            start(headrace(names.HEADRACE_TRANSFORMERS, settings, slow=True)),
            start(transformers_server(names.GENERATE, checkpoint, "generate")),
            start(transformers_server(names.CONTINUOUS, checkpoint, "continuous")),
        ]
    return contestants


def _remote(server: Contestant) -> dict[str, str]:
    """Our service in front of that server."""
    return {
        "ENGINE": "openai",
        "REMOTE_URL": f"http://127.0.0.1:{server.port}/v1",
        "REMOTE_KIND": "llamacpp",
        "REMOTE_MODEL": str(prepared_model()),
    }
