"""The suite that every Engine must pass, and the prepared model for tests that need a real one."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from headrace_inference.domain.events import Accepted, ChoiceFinished, Delta, FinishReason
from headrace_inference.domain.requests import GenerationRequest, Message, Prompt, Sampling
from headrace_inference.ports import Engine
from headrace_inference.prepare import prepare

QUESTIONS = (
    "Why is the sky blue?",
    "Write a poem about rain and wind.",
    "What is the capital of Peru?",
    "How do I bake a loaf of bread?",
)


@dataclass(slots=True)
class Collected:
    """What one run of an engine gave, per choice."""

    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, ChoiceFinished] = field(default_factory=dict)
    deltas: list[Delta] = field(default_factory=list)


def prepared_model() -> Path:
    """The default model, prepared once per machine and user, by the product's own code."""
    return prepare(user_cache_path("headrace") / "models")


def request_for(prompt: Prompt, **sampling: Any) -> GenerationRequest:
    """A greedy request with the given sampling parameters."""
    drawn = replace(Sampling(temperature=0.0), **sampling)
    return GenerationRequest("req_1", "org_1", "model", prompt, drawn)


def question(text: str, **sampling: Any) -> GenerationRequest:
    """A greedy request with one user message."""
    return request_for((Message("user", text),), **sampling)


async def read_prompt(engine: Engine, request: GenerationRequest) -> tuple[int, ...]:
    """The prompt's tokens, none where the engine cannot tell them."""
    if not engine.info.capabilities.tokenizes:
        return ()
    return await engine.tokenize(request.prompt, request.tools)


async def collect(engine: Engine, request: GenerationRequest) -> Collected:
    """Run a request to its end."""
    prompt_tokens = await read_prompt(engine, request)
    collected = Collected()
    work = engine.generate(request, prompt_tokens, request.sampling.max_tokens or 16)
    async with aclosing(work) as events:
        assert await anext(events) == Accepted()
        async for event in events:
            if isinstance(event, Delta):
                collected.deltas.append(event)
                text = collected.texts.get(event.choice, "")
                collected.texts[event.choice] = text + event.text
            elif isinstance(event, ChoiceFinished):
                assert event.choice not in collected.finished
                collected.finished[event.choice] = event
    return collected


class EngineSuite:
    """Subclasses in test modules provide a fixture `engine`, started, with at least four slots."""

    async def test_each_choice_ends_once_and_counts_its_tokens(self, engine: Engine) -> None:
        got = await collect(engine, question(QUESTIONS[1], max_tokens=5, choices=3))
        assert sorted(got.finished) == [0, 1, 2]
        for choice, end in got.finished.items():
            told = sum(delta.tokens for delta in got.deltas if delta.choice == choice)
            assert 1 <= told <= end.tokens <= 5

    async def test_max_tokens_cuts_the_answer(self, engine: Engine) -> None:
        got = await collect(engine, question(QUESTIONS[1], max_tokens=2))
        assert got.finished[0] == ChoiceFinished(0, FinishReason.LENGTH, 2)

    async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(self, engine: Engine) -> None:
        whole = (await collect(engine, question(QUESTIONS[1], max_tokens=6))).texts[0]
        stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
        got = await collect(engine, question(QUESTIONS[1], max_tokens=6, stop=(stop,)))
        assert got.texts.get(0, "") == whole[: whole.index(stop)]
        assert got.finished[0].reason is FinishReason.STOP

    async def test_text_that_only_began_a_stop_text_is_not_lost(self, engine: Engine) -> None:
        whole = (await collect(engine, question(QUESTIONS[1], max_tokens=4))).texts[0]
        got = await collect(engine, question(QUESTIONS[1], max_tokens=4, stop=(whole + "~",)))
        assert got.texts[0] == whole

    async def test_greedy_answers_repeat(self, engine: Engine) -> None:
        first = await collect(engine, question(QUESTIONS[0], max_tokens=12))
        assert (await collect(engine, question(QUESTIONS[0], max_tokens=12))).texts == first.texts

    async def test_concurrent_answers_are_those_of_lone_runs(self, engine: Engine) -> None:
        requests = [question(text, max_tokens=12) for text in QUESTIONS]
        lone = [(await collect(engine, request)).texts for request in requests]
        together = await asyncio.gather(*(collect(engine, request) for request in requests))
        assert [got.texts for got in together] == lone

    async def test_closing_early_frees_the_slots(self, engine: Engine) -> None:
        request = question("one two three four five six seven eight", max_tokens=400)
        prompt_tokens = await read_prompt(engine, request)
        works = [engine.generate(request, prompt_tokens, 400) for _ in range(engine.info.slots)]
        for work in works:
            await anext(work)
        async with asyncio.timeout(20):
            for work in works:
                await work.aclose()
            after = question(QUESTIONS[0], max_tokens=3)
            runs = (collect(engine, after) for _ in range(engine.info.slots))
            assert all(got.finished for got in await asyncio.gather(*runs))

    async def test_a_longer_text_has_more_tokens(self, engine: Engine) -> None:
        short = await engine.tokenize("one two")
        assert 1 < len(short) < len(await engine.tokenize("one two three four five"))
        assert len(await engine.tokenize((Message("user", "one two"),))) >= len(short)
