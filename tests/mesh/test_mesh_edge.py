"""What the public meets: credentials pass the edge as they are, whatever they are."""

from tests.chaos.callers import Question, ask, client_of
from tests.mesh.world import World


async def test_an_api_key_passes_the_edge(world: World) -> None:
    async with client_of(world.stack) as client:
        answer = await ask(client, Question("one two three"))
    assert answer.good, answer
