"""The transformers engine with the real model: the engines' suite, and what only it can show."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.domain.events import Accepted, Delta, EngineEvent, Working
from headrace_inference.domain.requests import JsonSchema
from headrace_inference.testing import collect, question, request_for
from headrace_inference.testing_local_models import LocalModelSuite

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[TransformersEngine]:
    options = TransformersOptions(
        str(model),
        slots=4,
        context_tokens=1024,
        threads=1,
        device="cpu",
        dtype="fp32",
        prefill_chunk_tokens=128,
    )
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestTransformersEngine(LocalModelSuite):
    pass


async def test_schemas_that_cannot_be_enforced_are_refused(engine: TransformersEngine) -> None:
    with pytest.raises(HeadraceError) as caught:
        await engine.check(replace(question("hi"), response_format=JsonSchema('{"not": {}}')))
    assert caught.value.param == "response_format.json_schema"


async def test_penalties_count_the_prompt(engine: TransformersEngine) -> None:
    prompt = "Paris Paris Paris Paris Paris Paris. The capital of France is"
    plain = await collect(engine, request_for(prompt, max_tokens=1))
    punished = await collect(engine, request_for(prompt, max_tokens=1, frequency_penalty=2.0))
    assert plain.texts[0] == " Paris"
    assert punished.texts[0] != " Paris"


@pytest.mark.parametrize("phase", ["prefill", "decode"])
async def test_closing_stops_within_one_step(engine: TransformersEngine, phase: str) -> None:
    request = request_for("word " * (900 if phase == "prefill" else 20), max_tokens=100)
    clock = asyncio.get_running_loop().time
    work = engine.generate(request, await engine.tokenize(request.prompt), 100)
    began = clock()
    assert await anext(work) == Accepted()
    one_step = clock() - began
    if phase == "decode":
        while isinstance(event := await anext(work), Working):
            continue
        assert isinstance(event, Delta)
    started = clock()
    await work.aclose()
    # the prompt of 900 tokens is read in eight chunks, of which the first has just been read
    assert clock() - started < 3 * one_step + 0.5


async def test_no_text_of_callers_reaches_the_output(
    engine: TransformersEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    await collect(engine, question("canary-in-the-prompt", max_tokens=4, stop=("canary-stop",)))
    printed = capfd.readouterr()
    assert "canary" not in printed.out + printed.err


async def test_an_engine_that_falls_silent_is_given_up(model: Path) -> None:
    options = TransformersOptions(
        str(model), 1, context_tokens=2048, threads=1, device="cpu", prefill_chunk_tokens=2048,
        dtype="fp32", stall_seconds=3.0,
    )  # fmt: skip
    engine = TransformersEngine(options, SystemClock())
    await engine.start()
    watch = asyncio.ensure_future(engine.watch())
    # a prompt in one chunk, which takes seconds without a sign of life
    work = engine.generate(request_for("x"), await engine.tokenize("word " * 2000), max_tokens=2)
    with pytest.raises(HeadraceError, match="stalled"):
        await _read_out(work)
    with pytest.raises(HeadraceError, match="does not answer any more"):
        await watch
    await engine.close()


async def _read_out(work: AsyncIterator[EngineEvent]) -> None:
    async for _ in work:
        continue
