"""The suites that every Engine must pass, and the prepared model for tests that need a real one."""

import asyncio
import json
import math
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.events import (
    Accepted,
    ChoiceFinished,
    Delta,
    FinishReason,
    TokenLogprob,
    ToolCallPart,
)
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    JsonSchema,
    Message,
    Prompt,
    Regex,
    Sampling,
    Tool,
)
from headrace_inference.ports import Engine
from headrace_inference.prepare import prepare, prepare_checkpoint
from headrace_inference.weights.embedding_source import NAME as EMBEDDING_MODEL

QUESTIONS = (
    "Why is the sky blue?",
    "Write a poem about rain and wind.",
    "What is the capital of Peru?",
    "How do I bake a loaf of bread?",
)

YES_OR_NO = json.dumps(
    {
        "type": "object",
        "properties": {"dry": {"type": "boolean"}},
        "required": ["dry"],
        "additionalProperties": False,
    }
)

SHOWN_CALL = '<tool_call>\n{"name": "ask", "arguments": {"dry": false}}\n</tool_call>'


@dataclass(slots=True)
class Collected:
    """What one run of an engine gave, per choice."""

    texts: dict[int, str] = field(default_factory=dict)
    finished: dict[int, ChoiceFinished] = field(default_factory=dict)
    deltas: list[Delta] = field(default_factory=list)


def prepared_model() -> Path:
    """The default model, prepared once per machine and user, by the product's own code."""
    return prepare(user_cache_path("headrace") / "models")


def prepared_embedding_model() -> Path:
    """The default embedding model, likewise."""
    return prepare(user_cache_path("headrace") / "models", model=EMBEDDING_MODEL)


def prepared_checkpoint() -> Path:
    """The same model for the transformers engine; needs torch."""
    return prepare_checkpoint(user_cache_path("headrace") / "models")


def request_for(prompt: Prompt, **sampling: Any) -> GenerationRequest:
    """A greedy request with the given sampling parameters."""
    drawn = replace(Sampling(temperature=0.0), **sampling)
    return GenerationRequest("req_1", "org_1", "model", prompt, drawn)


def question(text: str, **sampling: Any) -> GenerationRequest:
    """A greedy request with one user message."""
    return request_for((Message("user", text),), **sampling)


LONGEST_PAUSE_SECONDS = 0.5
"""Of the event loop: more than a busy machine keeps it waiting, less than such an answer takes."""


async def pauses_during(work: "asyncio.Future[Any]") -> list[float]:
    """Seconds between beats that a free event loop would have every 10 ms, until work is done."""
    clock = asyncio.get_running_loop().time
    beats = [clock()]
    while not work.done():
        await asyncio.sleep(0.01)
        beats.append(clock())
    return [later - earlier for earlier, later in pairwise(beats)]


async def read_prompt(engine: Engine, request: GenerationRequest) -> tuple[int, ...]:
    """The prompt's tokens, none where the engine cannot tell them."""
    if not engine.info.capabilities.tokenizes:
        return ()
    return await engine.tokenize(request.prompt, request.offered_tools)


async def collect(engine: Engine, request: GenerationRequest) -> Collected:
    """Run a request to its end, checked as the service does it."""
    engine.info.capabilities.check(request)
    await engine.check(request)
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


async def asking_for(feature: Feature, engine: Engine) -> GenerationRequest:
    """A request that needs the feature, in a form in which one sees whether it was honoured."""
    plain = question("Is rain dry?", max_tokens=24)
    # shown what a call looks like, a model makes one even before a remote that only passes
    # `required` on
    shown = (Message("user", "Again."), Message("assistant", SHOWN_CALL)) * 2
    calling = request_for((*shown, Message("user", "Again.")), max_tokens=40)
    if feature is Feature.LOGIT_BIAS:
        token = (await engine.tokenize(" yes"))[-1]
        return question("Yes?", max_tokens=3, logit_bias={token: 100.0})
    return {
        Feature.CHAT: plain,
        Feature.NAMES: request_for((Message("user", "Who am I?", name="Ada"),), max_tokens=4),
        Feature.CHOICES: question(
            "Invent a word.", temperature=1.5, seed=1, choices=3, max_tokens=12
        ),
        Feature.TOP_LOGPROBS: question("Say hello.", max_tokens=4, top_logprobs=3),
        Feature.RESPONSE_FORMAT: replace(plain, response_format=JsonSchema(YES_OR_NO)),
        Feature.GRAMMAR: replace(plain, response_format=Regex("a{3}|b{5}")),
        Feature.TOOLS: replace(
            calling, tools=(Tool("ask", "Asks.", YES_OR_NO),), tool_choice="required"
        ),
    }[feature]


def expect_honoured(feature: Feature, got: Collected, *, draws: bool) -> None:
    """What the request of `asking_for` must have led to."""
    text = got.texts.get(0, "")
    match feature:
        case Feature.CHOICES:
            assert len(set(got.texts.values())) == (3 if draws else 1)
        case Feature.TOP_LOGPROBS:
            expect_logprobs([entry for delta in got.deltas for entry in delta.logprobs], text)
        case Feature.LOGIT_BIAS:
            assert text == " yes" * 3
        case Feature.RESPONSE_FORMAT:
            assert isinstance(json.loads(text)["dry"], bool)
        case Feature.GRAMMAR:
            assert text in ("aaa", "bbbbb")
        case Feature.TOOLS:
            expect_call([part for delta in got.deltas for part in delta.tool_calls], got)
        case Feature.CHAT | Feature.NAMES:
            assert text


def expect_call(parts: list[ToolCallPart], got: Collected) -> None:
    """One call of `ask` and nothing else."""
    assert [part.name for part in parts if part.name] == ["ask"]
    assert {part.index for part in parts} == {0}
    arguments = json.loads("".join(part.arguments for part in parts))
    assert list(arguments) == ["dry"]
    assert isinstance(arguments["dry"], bool)
    assert got.finished[0].reason is FinishReason.TOOL_CALLS
    assert not got.texts.get(0, "").strip()


def expect_logprobs(entries: list[TokenLogprob], text: str) -> None:
    """Of a greedy answer with three alternatives for each token."""
    assert b"".join(entry.token_bytes for entry in entries).decode() == text
    for entry in entries:
        likeliest = [other.logprob for other in entry.top]
        assert len(likeliest) == 3
        assert likeliest == sorted(likeliest, reverse=True)
        assert sum(map(math.exp, likeliest)) <= 1.001
        assert math.isclose(entry.logprob, likeliest[0], abs_tol=1e-4)
        assert entry.token == entry.top[0].token


class EngineSuite:
    """Subclasses in test modules provide a fixture `engine`, started, with at least four slots.

    `draws` is false for an engine that says the same whatever the temperature.
    """

    draws = True

    @pytest.mark.parametrize("feature", Feature)
    async def test_a_parameter_is_honoured_or_refused_by_its_name(
        self, engine: Engine, feature: Feature
    ) -> None:
        request = await asking_for(feature, engine)
        if feature in engine.info.capabilities.features:
            got = await collect(engine, request)
            assert sorted(got.finished) == list(range(request.sampling.choices))
            expect_honoured(feature, got, draws=self.draws)
        else:
            with pytest.raises(HeadraceError, match=feature.value.rpartition(".")[2]) as caught:
                await collect(engine, request)
            assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER

    async def test_a_seed_repeats_the_draw_and_another_does_not(self, engine: Engine) -> None:
        async def draw(seed: int) -> str:
            request = question("Invent a word.", temperature=1.2, seed=seed, max_tokens=16)
            return (await collect(engine, request)).texts[0]

        first = await draw(7)
        assert await draw(7) == first
        assert (await draw(8) != first) == self.draws

    async def test_characters_of_several_tokens_come_whole(self, engine: Engine) -> None:
        smiles = "\U0001f600\U0001f600 \U0001f600 \U0001f600\U0001f600 \U0001f600 \U0001f600"
        got = await collect(engine, request_for(smiles, max_tokens=12))
        assert "\U0001f600" in got.texts[0]
        assert not any("\ufffd" in delta.text for delta in got.deltas)

    async def test_a_full_context_ends_the_answer(self, engine: Engine) -> None:
        context = engine.info.context_tokens
        words = context
        while (left := context - len(await engine.tokenize("word " * words))) < 1:
            words -= 1 - left // 2
        prompt = "word " * words
        got = await collect(engine, request_for(prompt, max_tokens=left))
        assert 1 <= got.finished[0].tokens <= left

    async def test_a_stop_text_at_the_beginning_leaves_nothing(self, engine: Engine) -> None:
        whole = (await collect(engine, question(QUESTIONS[1], max_tokens=3))).texts[0]
        got = await collect(engine, question(QUESTIONS[1], max_tokens=3, stop=(whole[0],)))
        assert got.texts.get(0, "") == ""
        assert got.finished[0].reason is FinishReason.STOP
        assert got.finished[0].tokens >= 1

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


TEXTS = (
    "How do I reset my password?",
    "I forgot my login and want a new one.",
    "The recipe needs two eggs and a cup of flour.",
    "如何重置我的密码",
)


async def embed(engine: Engine, *texts: str) -> list[list[float]]:
    """The vectors of some texts, tokenized as the service does it."""
    request, tokens = await _texts(engine, *texts)
    return [list(vector) for vector in await engine.embed(request, tokens)]


async def _texts(
    engine: Engine, *texts: str
) -> tuple[EmbeddingRequest, tuple[tuple[int, ...], ...]]:
    tokens: tuple[tuple[int, ...], ...] = ()
    if engine.info.capabilities.tokenizes:
        tokens = tuple([await engine.tokenize(text) for text in texts])
    return EmbeddingRequest("req_1", "org_1", "model", texts), tokens


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between vectors of length 1."""
    return sum(a * b for a, b in zip(one, other, strict=True))


class EmbeddingSuite:
    """Subclasses in test modules provide a fixture `engine`, started, with at least four slots."""

    async def test_each_text_has_a_vector_of_the_promised_size(self, engine: Engine) -> None:
        vectors = await embed(engine, *TEXTS)
        assert [len(v) for v in vectors] == [engine.info.capabilities.embedding_dimensions] * 4

    async def test_vectors_have_length_one(self, engine: Engine) -> None:
        for vector in await embed(engine, *TEXTS):
            assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-4)

    async def test_vectors_come_in_the_order_of_the_texts(self, engine: Engine) -> None:
        together = await embed(engine, *TEXTS)
        for text, vector in zip(TEXTS, together, strict=True):
            [alone] = await embed(engine, text)
            assert similarity(alone, vector) > 0.999

    async def test_concurrent_requests_get_their_own_vectors(self, engine: Engine) -> None:
        lone = [(await embed(engine, text))[0] for text in TEXTS]
        together = await asyncio.gather(*(embed(engine, text) for text in TEXTS))
        for alone, [vector] in zip(lone, together, strict=True):
            assert similarity(alone, vector) > 0.999

    async def test_a_cancelled_request_leaves_the_engine_free(self, engine: Engine) -> None:
        request, tokens = await _texts(engine, *TEXTS)
        running = [asyncio.ensure_future(engine.embed(request, tokens)) for _ in range(8)]
        for _ in range(3):  # so that all of them are inside
            await asyncio.sleep(0)
        for task in running:
            task.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait(running)
            assert len(await embed(engine, *TEXTS)) == len(TEXTS)
