"""The transformers engine against the library's `generate`, and in company against alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from llguidance import hf
from tests.torch.lines import (
    NEW_TOKENS,
    expect_same_but_for_ties,
    generated,
    line,
    line_of,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from headrace_common.clock import SystemClock
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import Dtype, TransformersOptions
from headrace_inference.domain.events import Delta, TokenLogprob
from headrace_inference.testing import collect, request_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENGLISH = [
    "The {} was",
    "Why is the {}",
    "Once upon a time a {}",
    "A poem on the {}:",
    "My {} and I",
]
THINGS = ["river", "old king", "blue sky", "railway", "number seven"]
CHINESE = ["{}是", "为什么{}", "很久以前，{}", "关于{}的诗：", "我和{}"]  # noqa: RUF001 - it is Chinese
CHINESE_THINGS = ["河流", "老国王", "蓝天", "铁路", "数字七"]
PROMPTS = [form.format(thing) for form in ENGLISH for thing in THINGS]
PROMPTS += [form.format(thing) for form in CHINESE for thing in CHINESE_THINGS]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[TransformersEngine]:
    options = TransformersOptions(
        str(model), slots=10, context_tokens=128, threads=1, device="cpu", dtype="fp32"
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


@pytest.mark.timeout(400)  # fifty prompts by two ways: a minute, several beside other work
async def test_greedy_answers_are_those_of_generate(
    engine: TransformersEngine, model: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    library = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    assert len(PROMPTS) == 50
    grammar = hf.from_tokenizer(tokenizer)
    reference = [generated(library, tokenizer, grammar, text) for text in PROMPTS]
    requests = [request_for(text, max_tokens=NEW_TOKENS, top_logprobs=2) for text in PROMPTS]
    ours = await asyncio.gather(*(line(engine, request) for request in requests))
    expect_same_but_for_ties(list(zip(ours, reference, strict=True)), most=1e-3)


async def test_a_seed_draws_the_same_in_company_as_alone(engine: TransformersEngine) -> None:
    requests = [
        request_for(
            text, max_tokens=NEW_TOKENS, top_logprobs=2, temperature=0.8, top_p=0.95, seed=number
        )
        for number, text in enumerate(PROMPTS[::5])
    ]
    alone = [await line(engine, request) for request in requests]
    company = await asyncio.gather(*(line(engine, request) for request in requests))
    expect_same_but_for_ties(list(zip(company, alone, strict=True)), most=1e-3)
    assert len({tuple(each.tokens) for each in alone}) == len(requests)


async def test_requests_join_and_leave_while_others_run(engine: TransformersEngine) -> None:
    alone = await line(engine, request_for(PROMPTS[0], max_tokens=24, top_logprobs=2))
    request = request_for(PROMPTS[0], max_tokens=24, top_logprobs=2)
    work = engine.generate(request, await engine.tokenize(request.prompt), 24)
    entries: list[TokenLogprob] = []
    others: list[asyncio.Task[object]] = []
    async for event in work:
        if isinstance(event, Delta):
            entries += event.logprobs
            # each token one joins, and the one before the last leaves in the middle of its work
            joining = request_for(PROMPTS[len(others) + 1], max_tokens=6)
            others.append(asyncio.ensure_future(collect(engine, joining)))
            if len(others) > 3:
                others[-3].cancel()
    ended = await asyncio.gather(*others, return_exceptions=True)
    assert not [end for end in ended if isinstance(end, Exception)]
    expect_same_but_for_ties([(line_of(entries), alone)], most=1e-3)
    assert len(entries) == 24


async def test_each_choice_is_drawn_by_its_own_parameters(engine: TransformersEngine) -> None:
    prompt = "Once upon a time a river"
    cat = (await engine.tokenize(" cat"))[-1]
    mixed: list[dict[str, Any]] = [
        {},
        {"temperature": 0.7},
        {"temperature": 1.0, "top_p": 0.95},
        {"temperature": 1.0, "top_p": 0.8},
        {"temperature": 0.7, "top_p": 0.95},
        {"temperature": 0.9, "frequency_penalty": 2.0},
        {"temperature": 0.9, "presence_penalty": -2.0},
        {"temperature": 1.0, "frequency_penalty": 1.0, "presence_penalty": 0.5},
        {"logit_bias": {cat: 14.0}},
        {"temperature": 0.8, "top_p": 0.9, "frequency_penalty": 0.5, "logit_bias": {cat: 4.0}},
    ]
    requests = [
        request_for(prompt, max_tokens=NEW_TOKENS, top_logprobs=2, seed=number, **parameters)
        for number, parameters in enumerate(mixed)
    ]
    alone = [await line(engine, request) for request in requests]
    # or it would not show if one were drawn by the parameters of another
    assert len({tuple(each.tokens) for each in alone}) == len(requests) == engine.info.slots
    company = await asyncio.gather(*(line(engine, request) for request in requests))
    expect_same_but_for_ties(list(zip(company, alone, strict=True)), most=1e-3)


@pytest.mark.parametrize("dtype", ["int8", "bf16", "fp16"])
async def test_lower_precisions_answer_alike(model: Path, dtype: Dtype) -> None:
    options = TransformersOptions(
        str(model), slots=4, context_tokens=128, threads=1, device="cpu", dtype=dtype
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    capitals = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo"}
    requests = [request_for(f"The capital of {land} is", max_tokens=4) for land in capitals]
    answers = await asyncio.gather(*(collect(engine, request) for request in requests))
    await engine.close()
    right = [city in got.texts[0] for city, got in zip(capitals.values(), answers, strict=True)]
    assert right == [True] * 3
