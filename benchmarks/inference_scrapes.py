"""What Prometheus waits for while 64 answers stream."""

import asyncio
import http.client
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

from benchmarks.inference_asking import Asker, asking, until_event
from benchmarks.inference_process import InferenceProcess, running_inference
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.processes import ContestantError, cpu_seconds
from benchmarks.report import Target

STREAMS = 64
TOKEN_SECONDS = 0.05
"""Between the tokens of each stream: 1,280 tokens a second in all."""
WORDS = "word " * 400
SCRAPES, QUICK_SCRAPES = 400, 100
PAUSE_SECONDS = 0.03
MAXIMUM_MILLISECONDS = 5.0


def measure(*, quick: bool) -> list[Measurement]:
    """Scrapes of an idle process, and of one that streams; raises ContestantError."""
    settings = {
        "ENGINE": "echo",
        "SLOTS": str(STREAMS),
        "CONTEXT_TOKENS": "4096",
        "ECHO_TOKEN_SECONDS": str(TOKEN_SECONDS),
    }
    spawning = multiprocessing.get_context("spawn")
    # The scraper is a process of its own, so that it does not wait for the one that reads streams.
    with (
        running_inference(**settings) as running,
        ProcessPoolExecutor(1, mp_context=spawning) as scraper,
    ):
        return asyncio.run(_measure(running, scraper, quick=quick))


async def _measure(
    running: InferenceProcess, scraper: ProcessPoolExecutor, *, quick: bool
) -> list[Measurement]:
    loop = asyncio.get_running_loop()
    times = QUICK_SCRAPES if quick else SCRAPES
    metrics, inference = running.metrics_address, {"inference": [running.process]}
    async with asking(running.address) as asker:
        before = cpu_seconds(inference)["inference"]
        idle = await loop.run_in_executor(scraper, scrape, metrics, times, 0)
        cost = (cpu_seconds(inference)["inference"] - before) / times
        streams = [asyncio.create_task(_stream(asker)) for _ in range(STREAMS)]
        await asker.until(lambda load: load.running_requests == STREAMS)
        busy = await loop.run_in_executor(scraper, scrape, metrics, times, STREAMS)
        for stream in streams:
            stream.cancel()
        await asyncio.wait(streams)
    summary = Summary.of(busy)
    median = None if summary.p50 is None else summary.p50 * 1e3
    name = f"median of a scrape at {STREAMS} streams, ms"
    target = Target(name, median, MAXIMUM_MILLISECONDS, at_most=True)
    return [
        Measurement("scrape, idle", Summary.of(idle), cpu_seconds={"inference": cost}),
        Measurement(f"scrape, {STREAMS} streams", summary, targets=[target]),
    ]


async def _stream(asker: Asker) -> None:
    while True:
        await until_event(asker.ask(WORDS, max_tokens=400), "finished")


def scrape(address: str, times: int, running: int) -> list[float]:
    """Seconds that each scrape took; raises ContestantError unless so many requests run in each.

    One may have ended just then, and its successor not begun.
    """
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/metrics")
        body = connection.getresponse().read().decode()
        connection.close()
        seconds.append(time.perf_counter() - began)
        _check(body, running)
        time.sleep(PAUSE_SECONDS)
    return seconds


def _check(body: str, running: int) -> None:
    told = next(line for line in body.splitlines() if line.startswith("llm_requests_running "))
    if not running * 0.9 <= float(told.split()[1]) <= running:
        raise ContestantError(f"{told} while {running} were asked for")
