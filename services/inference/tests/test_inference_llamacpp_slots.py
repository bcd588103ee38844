"""llama.cpp reads a prefix once for each tenant that sends it, and for no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.http import LlamaCppHttp
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.domain.events import Accepted, Delta, EngineEvent, Working
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.testing import prepared_model, request_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHUNK = 32
PREFIX = "The rules of the house are many, and each of them has a reason. " * 16
"""About eight chunks."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LlamaCppEngine]:
    options = LlamaCppOptions(
        prepared_model(), 2, 512, 1, prefill_chunk_tokens=CHUNK, prompt_cache=True
    )
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


def asking(tenant: str, end: str, choices: int = 1) -> GenerationRequest:
    request = request_for(PREFIX + end, max_tokens=6, choices=choices)
    return replace(request, organization_id=tenant)


async def run(engine: LlamaCppEngine, request: GenerationRequest) -> tuple[str, int]:
    """The first choice's text, and how often the engine told that it reads."""
    text, reads = "", 0
    work = engine.generate(request, await engine.tokenize(request.prompt), 6)
    async with aclosing(work) as events:
        async for event in events:
            reads += isinstance(event, Working)
            text += event.text if isinstance(event, Delta) and event.choice == 0 else ""
    return text, reads


async def test_a_tenant_reads_its_own_prefix_once_and_says_the_same(engine: LlamaCppEngine) -> None:
    first, first_reads = await run(engine, asking("one", "First,"))
    again, again_reads = await run(engine, asking("one", "First,"))
    assert first_reads >= 6
    assert again_reads <= 3
    assert again == first


async def test_no_tenant_reuses_what_another_has_asked(engine: LlamaCppEngine) -> None:
    for tenant in ("two", "three", "four"):
        _, reads = await run(engine, asking(tenant, "First,"))
        assert reads >= 6


async def test_how_much_was_read_before_is_told(engine: LlamaCppEngine) -> None:
    request = asking("seven", "First,")
    tokens = await engine.tokenize(request.prompt)
    told: list[EngineEvent] = []
    for _ in range(2):
        async with aclosing(engine.generate(request, tokens, 6)) as events:
            told.append(await anext(events))
            assert [event async for event in events]
    assert told == [Accepted(), Accepted(len(tokens) - 1)]  # the last one is always read


async def test_what_a_hang_up_left_unread_is_not_taken_for_read(engine: LlamaCppEngine) -> None:
    left = asking("eight", "First,")
    work = engine.generate(left, await engine.tokenize(left.prompt), 6)
    async with aclosing(work) as events:
        while not isinstance(await anext(events), Working):
            continue
    longer = asking("eight", "And then " * 40)
    work = engine.generate(longer, await engine.tokenize(longer.prompt), 6)
    async with aclosing(work) as events:
        accepted = await anext(events)
        reads = sum([isinstance(event, Working) async for event in events])
    assert isinstance(accepted, Accepted)
    assert 0 < accepted.cached_tokens <= 2 * CHUNK
    assert reads >= 8


async def test_several_choices_leave_nothing_to_reuse(engine: LlamaCppEngine) -> None:
    await run(engine, asking("five", "First,"))
    await run(engine, asking("six", "First,", choices=2))
    for tenant in ("five", "six"):
        _, reads = await run(engine, asking(tenant, "First,"))
        assert reads >= 6


async def test_a_prompt_with_several_choices_is_not_fed(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlamaCppHttp, "read", None)  # it could name one slot alone
    text, _ = await run(engine, asking("nine", "First,", choices=2))
    assert text


async def test_tenants_that_run_together_hear_what_each_hears_alone(engine: LlamaCppEngine) -> None:
    requests = [asking(tenant, end) for end in ("First,", "Then") for tenant in ("one", "two")]
    alone = [await run(engine, request) for request in requests]
    slots = asyncio.Semaphore(engine.info.slots)

    async def ask(request: GenerationRequest) -> str:
        async with slots:
            return (await run(engine, request))[0]

    assert await asyncio.gather(*map(ask, requests)) == [text for text, _ in alone]
