"""xllamacpp's own HTTP server as a process, told FILE PORT SLOTS CONTEXT."""

import os
import signal
import sys

import xllamacpp


def serve(path: str, port: int, slots: int, context_tokens: int) -> None:
    """With the library's defaults, except what makes it alike: slots, context, threads.

    Its cache of prompts in memory is off: no two prompts are alike, and filling it costs time.
    """
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.ui = False
    params.verbosity = 0
    params.n_parallel = slots
    params.n_ctx = slots * context_tokens
    params.n_threads_http = slots + 4
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    signal.sigwait({signal.SIGTERM})
    del server


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    file, *numbers = sys.argv[1:]
    serve(file, *map(int, numbers))
