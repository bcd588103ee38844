"""Whether limits are exact: three gateways, a thousand requests at once, a hundred times."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count, cycle, islice
from time import perf_counter

import typer
import uvloop
from redis.asyncio import Redis

from benchmarks.processes import ROOT, ContestantError
from benchmarks.report import JsonFile, Prepare, Quick, Target, begin, table
from headrace_gateway.domain.principal import LimitKind
from headrace_gateway.testing.gateway import KEY
from headrace_local.redis import temporary_redis

GATEWAYS, REQUESTS, LIMIT = 3, 1000, 200
TIMES, QUICK_TIMES = 100, 3
FROZEN_NOW = 1_800_000_000_000_000
ROUND_SECONDS = 120.0
KINDS = {
    "concurrency limit": (LimitKind.CONCURRENT_REQUESTS, 0),
    "request rate, frozen clock": (LimitKind.REQUESTS_PER_MINUTE, FROZEN_NOW),
}
BODY = json.dumps(
    {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "stream": True}
).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
) % (KEY.encode(), len(BODY), BODY)


@dataclass(frozen=True, slots=True)
class Round:
    """One burst: how many got which status, and how many a gateway decided on alone."""

    statuses: dict[int, int]
    alone: int
    seconds: float


def main(prepare: Prepare = False, quick: Quick = False, json_file: JsonFile = None) -> None:
    """Count how many of a thousand are admitted by a limit of two hundred."""
    console, machine = begin(prepare=prepare)
    times = QUICK_TIMES if quick else TIMES
    if quick:
        console.print(f"Quick: {QUICK_TIMES} rounds of each instead of {TIMES}.")
    try:
        with temporary_redis() as url:
            rounds = {
                name: uvloop.run(_rounds(url, kind, frozen_now, times))
                for name, (kind, frozen_now) in KINDS.items()
            }
    except ContestantError as error:
        console.print(f"ERROR {error}")
        raise typer.Exit(1) from error
    columns = ("limit", "rounds", "fewest admitted", "most", "decided alone", "longest round")
    rows = [_row(name, each) for name, each in rounds.items()]
    title = f"{REQUESTS} requests at once, {GATEWAYS} gateways, a limit of {LIMIT}"
    console.print(table(title, columns, rows))
    targets = [_target(name, each) for name, each in rounds.items()]
    console.print(*(target.line() for target in targets), sep="\n")
    if json_file:
        figures = {
            "machine": asdict(machine),
            "rounds": {name: list(map(asdict, each)) for name, each in rounds.items()},
            "targets": [asdict(target) for target in targets],
        }
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _row(name: str, rounds: Sequence[Round]) -> Sequence[str]:
    admitted = [each.statuses.get(200, 0) for each in rounds]
    alone = sum(each.alone for each in rounds)
    longest = max(each.seconds for each in rounds)
    figures = (len(rounds), min(admitted), max(admitted), alone)
    return (name, *map(str, figures), f"{longest:.2f} s")


def _target(name: str, rounds: Sequence[Round]) -> Target:
    exact = sum(each.statuses == {200: LIMIT, 429: REQUESTS - LIMIT} for each in rounds)
    return Target(f"{name}: part of rounds that admit exactly {LIMIT}", exact / len(rounds), 1.0)


async def _rounds(url: str, kind: LimitKind, frozen_now: int, times: int) -> list[Round]:
    async with Redis.from_url(url) as redis, _gateways(url, kind, frozen_now) as ports:
        rounds = []
        for _ in range(times):
            await redis.flushdb()
            async with asyncio.timeout(ROUND_SECONDS):
                rounds.append(await _burst(ports))
                await _until_nobody_is_in_flight(redis)
        return rounds


async def _burst(ports: Sequence[int]) -> Round:
    """Connect all, ask all at once, and hang up when all have been decided on."""
    connections = await asyncio.gather(
        *(asyncio.open_connection("127.0.0.1", port) for port in islice(cycle(ports), REQUESTS))
    )
    started = perf_counter()
    for _, writer in connections:
        writer.write(REQUEST)
    heads = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in connections))
    seconds = perf_counter() - started
    for _, writer in connections:
        writer.close()
    statuses = Counter(int(head.split(b" ", 2)[1]) for head in heads)
    alone = sum(b"x-headrace-limits: local" in head for head in heads)
    return Round(dict(statuses), alone, seconds)


async def _until_nobody_is_in_flight(redis: Redis) -> None:
    """Every gateway has noticed who hung up, and settled."""
    for _ in count():
        if not [key async for key in redis.scan_iter("*concurrent_requests*")]:
            return
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _gateways(url: str, kind: LimitKind, frozen_now: int) -> AsyncIterator[Sequence[int]]:
    command = (
        *(sys.executable, "-m", "benchmarks.limited_gateway"),
        *(url, kind.value, str(LIMIT), str(frozen_now)),
    )
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(GATEWAYS)
    ]
    try:
        yield [await _port_of(process) for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await process.wait()


async def _port_of(process: asyncio.subprocess.Process) -> int:
    if process.stdout is None:
        raise ContestantError("a gateway has no output")
    line = await process.stdout.readline()
    if not line:
        raise ContestantError("a gateway ended at its start")
    return int(line)


if __name__ == "__main__":
    typer.run(main)
