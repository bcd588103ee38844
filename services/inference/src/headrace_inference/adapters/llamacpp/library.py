"""What all users of llama.cpp in this process ask of the library."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def server_parameters(
    model: Path, *, socket_path: str, slots: int, threads: int, spins: int
) -> Any:
    """Parameters of a quiet server with this many slots; the caller adds what is its own."""
    # Threads that wait for one another at each of a token's hundreds of barriers: to sleep at once
    # halves the speed, to spin for long costs it when other processes want the cores too.
    # libgomp reads this once, when the library is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", str(spins))
    import xllamacpp  # noqa: PLC0415

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = [socket_path]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0  # at 1 it already quotes callers' schemas on stderr
    params.n_parallel = slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    # where a prefix may be reused the request says so: its timing tells what was asked before
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    return params


def idle_adapters(paths: Iterable[Path]) -> list[Any]:
    """LoRA adapters that are loaded and weigh nothing until a request asks for one."""
    import xllamacpp  # noqa: PLC0415

    return [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in paths]


def start_server(params: Any) -> Any:
    """Load the model, which blocks; raises RuntimeError."""
    import xllamacpp  # noqa: PLC0415

    return xllamacpp.Server(params)
