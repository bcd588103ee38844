"""What one tenant that sends a hundred times as much costs the others."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks.inference_process import inference_process
from benchmarks.inference_tenants import Seen, capacity, offer, until_ready
from benchmarks.load import ENOUGH_FOR_PERCENTILES, Summary
from benchmarks.report import Target, table
from benchmarks.shares import fair_shares, jain
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.grpc_client import create_channel

TENANTS = 10
GREED = 100
"""Times what each other tenant sends."""
LOADS = (0.9, 1.3)
"""Of what the engine can do."""
SECONDS, QUICK_SECONDS = 60.0, 8.0
ENOUGH = 1.2 * ENOUGH_FOR_PERCENTILES
"""Answers of the other tenants that a scene is played for, however seldom they send."""
CAPACITY_SECONDS = 8.0
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Scene:
    """One load, divided in one way."""

    load: float
    greedy: bool
    others: Summary
    """First tokens of all tenants but the first, which is the greedy one if there is one."""
    first: Summary
    refused_others: int
    refused_first: int
    index: float
    """Jain's, over what each got of what was its due."""

    @classmethod
    def of(cls, load: float, seen: Sequence[Seen], *, greedy: bool) -> "Scene":
        first, *others = seen
        due = fair_shares([each.demand for each in seen], sum(each.tokens for each in seen))
        return cls(
            load=load,
            greedy=greedy,
            others=Summary.of([moment for each in others for moment in each.first_tokens]),
            first=Summary.of(first.first_tokens),
            refused_others=sum(each.refused for each in others),
            refused_first=first.refused,
            index=jain([each.tokens / part for each, part in zip(seen, due, strict=True) if part]),
        )


def measure(*, quick: bool) -> list[Scene]:
    """Play all scenes; raises ContestantError."""
    with inference_process() as target:
        return asyncio.run(_play(target, quick=quick))


def tables(scenes: Sequence[Scene]) -> Table:
    """A row a scene."""
    columns = (
        *("load", "first sends", "others' TTFT p50 ms", "p95 ms", "max ms", "times", "refused"),
        *("first's TTFT p50 ms", "p95 ms", "refused", "Jain's index"),
    )
    rows = [
        (
            f"{scene.load:.1f}",
            f"{GREED} x" if scene.greedy else "as all",
            *(_ms(seconds) for seconds in (scene.others.p50, scene.others.p95)),
            _ms(scene.others.maximum),
            str(scene.others.count),
            str(scene.refused_others),
            *(_ms(seconds) for seconds in (scene.first.p50, scene.first.p95)),
            str(scene.refused_first),
            f"{scene.index:.3f}",
        )
        for scene in scenes
    ]
    return table("Ten tenants, llama.cpp", columns, rows)


def targets(scenes: Sequence[Scene]) -> list[Target]:
    """What the issue asks for, at each load."""
    wanted = []
    for load in LOADS:
        equal, greedy = (scene for scene in scenes if scene.load == load)
        before, after = equal.others.p95, greedy.others.p95
        ratio = after / before if before and after else None
        name = f"others' p95 TTFT with a greedy tenant against ten equal ones, load {load}"
        wanted.append(Target(name, ratio, 1.3, at_most=True))
        wanted.append(Target(f"Jain's index with a greedy tenant, load {load}", greedy.index, 0.95))
    return wanted


async def _play(target: str, *, quick: bool) -> list[Scene]:
    async with create_channel(target) as channel:
        await until_ready(channel)
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        most = await capacity(stub, CAPACITY_SECONDS)
        scenes = []
        for load in LOADS:
            for greedy in (False, True):
                rates = _rates(load * most, greedy=greedy)
                longer = 0.0 if quick else ENOUGH / sum(rates[1:])
                seen = await offer(stub, rates, max(longer, QUICK_SECONDS if quick else SECONDS))
                scenes.append(Scene.of(load, seen, greedy=greedy))
        return scenes


def _rates(total: float, *, greedy: bool) -> list[float]:
    weights = [GREED if greedy else 1, *(1 for _ in range(TENANTS - 1))]
    return [total * weight / sum(weights) for weight in weights]


def _ms(seconds: float | None) -> str:
    return NOTHING if seconds is None else f"{seconds * 1e3:.0f}"
