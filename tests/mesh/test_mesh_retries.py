"""A generation is never made twice because of the mesh: not when it is refused, nor when it breaks.

One of two pods is `troubled_model.py`: in turn it refuses with UNAVAILABLE before it has begun, and
ends an answer with it that has.
"""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
from tests.chaos.callers import Question, ask, client_of
from tests.chaos.visitors import begin
from tests.mesh.calls import GATEWAY, PAIR, Model, calling
from tests.mesh.layout import Layout
from tests.mesh.lives import back, restarts, until
from tests.mesh.second_mesh import second_mesh
from tests.mesh.translator.objects import Object
from tests.mesh.troubled_model import TROUBLE
from tests.mesh.world import World

from headrace_local.testing import kill

QUESTIONS = [
    Question(f"{TROUBLE} {number} one two three four five six", streamed=True)
    for number in range(40)
]
LONG = Question(" ".join(f"word-{number}" for number in range(100)), streamed=True)
SHORT = Question("one two", streamed=True)
PODS = (f"{PAIR}-0", f"{PAIR}-1")
REQUESTS = "llm_requests_total"


async def requests_seen(world: World, *pods: str) -> Counter[str]:
    """Requests for a generation that ended at these pods, or at both, by gRPC code."""
    seen: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False) as client:
        for pod in pods or PODS:
            url = f"http://{world.stack.plan.address(f'{pod}_metrics')}/metrics"
            for line in (await client.get(url)).text.splitlines():
                if line.startswith(REQUESTS):
                    name, _, value = line.rpartition(" ")
                    seen[name.split('code="')[1].split('"')[0]] += int(float(value))
    return seen


async def until_asked(world: World, pod: str) -> None:
    """It takes requests again, from whom troubles of an earlier test may have kept them."""
    before = (await requests_seen(world, pod)).total()
    async with client_of(world.stack) as client:

        async def is_asked() -> bool:
            await ask(client, SHORT)
            return (await requests_seen(world, pod)).total() > before

        await until(is_asked)


async def test_no_generation_is_made_twice_for_callers_at_the_front_door(world: World) -> None:
    before = await requests_seen(world)
    async with client_of(world.stack) as client:
        answers = await asyncio.gather(*(ask(client, each) for each in QUESTIONS))
    seen = await requests_seen(world) - before
    assert seen.total() == len(QUESTIONS)
    assert seen["OK"] == sum(answer.good for answer in answers)
    refused = [answer for answer in answers if answer.status != 200]
    broken = [answer for answer in answers if answer.status == 200 and answer.code]
    assert seen["UNAVAILABLE"] == len(refused) + len(broken)
    assert refused
    assert broken
    assert {answer.status for answer in refused} == {503}
    assert all(answer.retry_after for answer in refused)
    assert not any(answer.wrong for answer in answers)


async def test_an_answer_whose_pod_is_killed_is_not_made_again_by_another(world: World) -> None:
    killed, other = PODS
    await until_asked(world, killed)
    before, restarted = await requests_seen(world, other), restarts(world, killed)
    crossing = [await begin(world.stack, LONG) for _ in range(8)]
    kill(world.stack, killed)
    answers = await asyncio.gather(*crossing)
    seen = await requests_seen(world, other) - before
    await back(world, killed, restarted)
    good = [answer for answer in answers if answer.good]
    assert seen == {"OK": len(good)}
    assert 0 < len(good) < len(answers)
    assert {answer.code for answer in answers if not answer.good} == {"dependency_unavailable"}
    assert not any(answer.wrong for answer in answers)


async def test_with_istios_own_retries_a_refused_generation_is_asked_for_again(
    world: World, tmp_path: Path
) -> None:
    objects = [_without_retries(each) for each in world.objects]
    before = await requests_seen(world)
    async with second_mesh(world, objects, tmp_path) as mesh:
        await _ask_directly(world, mesh)
    assert (await requests_seen(world) - before).total() > len(QUESTIONS)


async def _ask_directly(world: World, mesh: Layout) -> None:
    async with calling(mesh, GATEWAY, PAIR) as channel:
        model = Model(channel, world.stack.access.model)
        await asyncio.gather(*(model.generate(each.prompt) for each in QUESTIONS))


def _without_retries(each: Object) -> Object:
    if each["kind"] != "VirtualService" or each["metadata"]["name"] != PAIR:
        return each
    routes = [
        {name: value for name, value in route.items() if name != "retries"}
        for route in each["spec"]["http"]
    ]
    return {**each, "spec": {**each["spec"], "http": routes}}
