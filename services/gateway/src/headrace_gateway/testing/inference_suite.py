"""The suite that every InferenceTarget must pass."""

import asyncio
from contextlib import aclosing

from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Finished,
    Message,
    Sampling,
    Started,
)
from headrace_gateway.domain.embedding import EmbeddingRequest
from headrace_gateway.ports import InferenceTarget


class InferenceTargetSuite:
    """Subclasses provide a fixture `target` that serves the model `echo`, says what it is told,
    and has 2 tokens for `one two`."""

    async def test_an_answer_is_started_deltas_and_finished(self, target: InferenceTarget) -> None:
        request = CompletionRequest("echo", (Message("user", "one two"),), Sampling(choices=2))
        first, *deltas, last = [e async for e in target.generate("r", "org_1", request)]
        assert isinstance(first, Started)
        assert first.model.id == "echo"
        assert first.prompt_tokens == 2
        said = {0: "", 1: ""}
        for delta in deltas:
            assert isinstance(delta, Delta)
            said[delta.choice] += delta.text
        assert said == {0: "one two", 1: "one two"}
        assert last == Finished(first.model, ("stop", "stop"), 2, 4)

    async def test_it_says_what_it_serves_by_the_version_of_its_answers(
        self, target: InferenceTarget
    ) -> None:
        [card] = await target.models()
        async with aclosing(
            target.generate("r", "org_1", CompletionRequest("echo", "one two"))
        ) as events:
            first = await anext(events)
        assert isinstance(first, Started)
        assert card.model == first.model
        assert card.context_tokens > 0

    async def test_who_leaves_takes_no_load(self, target: InferenceTarget) -> None:
        events = target.generate("r", "org_1", CompletionRequest("echo", "one two"))
        await anext(events)
        assert await target.load() >= 0
        await events.aclose()
        async with asyncio.timeout(5):
            while await target.load() > 0:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.005)
        assert await target.load() == 0

    async def test_a_vector_for_each_text(self, target: InferenceTarget) -> None:
        wanted = EmbeddingRequest("echo", ("one two", "three"), dimensions=1)
        made = await target.embed("r", "org_1", wanted)
        assert (made.model.id, made.prompt_tokens) == ("echo", 3)
        assert [len(vector) for vector in made.vectors] == [4, 4]

    async def test_closing_twice_is_closing(self, target: InferenceTarget) -> None:
        assert await target.close() is None  # type: ignore[func-returns-value]
        assert await target.close() is None  # type: ignore[func-returns-value]
