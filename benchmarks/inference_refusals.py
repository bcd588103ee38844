"""How long it takes to be refused when the queue is full."""

import asyncio
import time
from collections.abc import Sequence

import grpc

from benchmarks.inference_asking import Asker, Call, asking
from benchmarks.inference_process import running_inference
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.processes import ContestantError
from benchmarks.report import Target
from headrace_common.grpc_errors import from_rpc_error

SLOTS, WAITING = 8, 32
REFUSALS, QUICK_REFUSALS = 2000, 200
TOGETHER = 16
MAXIMUM_MILLISECONDS = 10.0
ENDLESS = "Count from one to ten thousand, in words, and leave nothing out."
SCENES = {
    "echo, its engine still": {"ENGINE": "echo", "ECHO_STALLING_EVERY": "1"},
    "llama.cpp at work": {"ENGINE": "llamacpp"},
}


def measure(*, quick: bool) -> list[Measurement]:
    """Refusals one by one and 16 at once, by each engine; raises ContestantError."""
    measured = []
    for name, settings in SCENES.items():
        bounds = {"SLOTS": str(SLOTS), "QUEUE_LENGTH": str(WAITING), "SILENT_SECONDS": "1000"}
        patience = {"STALL_SECONDS": "1000", "QUEUE_SECONDS": "1000"}
        with running_inference(**settings, **bounds, **patience) as running:
            times = QUICK_REFUSALS if quick else REFUSALS
            measured += asyncio.run(_measure(name, running.address, times))
    return measured


async def _measure(name: str, address: str, times: int) -> list[Measurement]:
    async with asking(address) as asker:
        calls = [asker.ask(ENDLESS, max_tokens=2000) for _ in range(SLOTS + WAITING)]
        await asker.until(lambda load: load.waiting_requests == WAITING)
        keeping = asyncio.create_task(_keep_full(asker, calls))
        alone = [await _refusal(asker) for _ in range(times)]
        together: list[float] = []
        for _ in range(times // TOGETHER):
            together += await asyncio.gather(*(_refusal(asker) for _ in range(TOGETHER)))
        keeping.cancel()
        await asyncio.wait([keeping])
        for call in calls:
            call.cancel()
    return [
        _measurement(f"refusal, {name}", alone),
        _measurement(f"refusal, {TOGETHER} at once, {name}", together, is_target=False),
    ]


def _measurement(name: str, seconds: Sequence[float], *, is_target: bool = True) -> Measurement:
    summary = Summary.of(seconds)
    if not is_target:
        return Measurement(name, summary)
    p99 = None if summary.p99 is None else summary.p99 * 1e3
    return Measurement(
        name,
        summary,
        targets=[Target(f"p99 of a {name}, ms", p99, MAXIMUM_MILLISECONDS, at_most=True)],
    )


async def _keep_full(asker: Asker, calls: list[Call]) -> None:
    """Ask anew for each answer that ends."""
    reading = {asyncio.ensure_future(_to_the_end(call)) for call in calls}
    try:
        while True:
            done, reading = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            for _ in done:
                calls.append(asker.ask(ENDLESS, max_tokens=2000))
                reading.add(asyncio.ensure_future(_to_the_end(calls[-1])))
    finally:
        for each in reading:
            each.cancel()


async def _to_the_end(call: Call) -> None:
    async for _ in call:
        pass


async def _refusal(asker: Asker) -> float:
    """Seconds until a request was refused, with a hint when to come again."""
    began = time.perf_counter()
    call = asker.ask(ENDLESS, max_tokens=16)
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        seconds = time.perf_counter() - began
        refused = from_rpc_error(error, "inference")
        if refused.retry_after_seconds is None:
            raise ContestantError(f"{refused.reason}: no hint when to come again") from error
        return seconds
    call.cancel()
    raise ContestantError("a request was let in though the queue was full")
