"""llama.cpp with the real model: the engines' suite, and what only a real engine can show."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.domain.events import (
    Accepted,
    Delta,
    EngineEvent,
    Working,
)
from headrace_inference.domain.requests import JsonSchema, Message
from headrace_inference.testing import collect, prepared_model, question, request_for
from headrace_inference.testing_local_models import LocalModelSuite

pytestmark = pytest.mark.asyncio(loop_scope="module")

PART = 10813
"""A token of two bytes that begin many an emoji."""
END = 2


@pytest.fixture(scope="module")
def model() -> Path:
    return prepared_model()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(model: Path) -> AsyncIterator[LlamaCppEngine]:
    options = LlamaCppOptions(model, 4, context_tokens=1024, threads=1, prefill_chunk_tokens=128)
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


class TestLlamaCppEngine(LocalModelSuite):
    pass


async def test_tokens_arrive_as_they_are_made(engine: LlamaCppEngine) -> None:
    got = await collect(engine, question("Count from one to ten in words.", max_tokens=24))
    assert len(got.deltas) >= 3  # 24 tokens take longer than a few times the 50 ms that gather them
    assert max(delta.tokens for delta in got.deltas) <= 6


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        "3",
        '{"type": "foo"}',
        '{"not": {}}',
        '{"type": "string", "pattern": "("}',
        '{"minimum": 1e999}',
        '{"const": "\\ud800"}',
        "[" * 9999,
    ],
)
async def test_schemas_that_cannot_be_enforced_are_refused(
    engine: LlamaCppEngine, schema: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await engine.check(replace(question("hi"), response_format=JsonSchema(schema)))
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == "response_format.json_schema"


@pytest.mark.parametrize("token", [PART, 0], ids=["part of a character", "control token"])
async def test_logit_bias_forces_no_token_without_text(engine: LlamaCppEngine, token: int) -> None:
    with pytest.raises(HeadraceError, match=f"token {token} is no text") as caught:
        await engine.check(question("hi", logit_bias={token: 0.1}))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "logit_bias")
    await engine.check(question("hi", logit_bias={token: -100.0, END: 1.0}))


async def test_penalties_change_the_answer(engine: LlamaCppEngine) -> None:
    song = "la la la la la la la la la la la la la la la la"
    plain = await collect(engine, request_for(song, max_tokens=8))
    punished = await collect(engine, request_for(song, max_tokens=8, frequency_penalty=2.0))
    assert punished.texts[0] != plain.texts[0]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
async def test_closing_stops_within_one_step(engine: LlamaCppEngine, phase: str) -> None:
    request = request_for("word " * (900 if phase == "prefill" else 20), max_tokens=100)
    clock = asyncio.get_running_loop().time
    work = engine.generate(request, await engine.tokenize(request.prompt), 100)
    assert await anext(work) == Accepted()
    if phase == "decode":
        while isinstance(event := await anext(work), Working):
            continue
        assert isinstance(event, Delta)
    started = clock()
    await work.aclose()
    # a chunk of 128 tokens takes 1 s here, the whole prefill 7 s, a decode step 0.05 s
    assert clock() - started < (4.0 if phase == "prefill" else 1.0)


async def test_a_choice_whose_prefill_waits_is_cancelled_at_once(engine: LlamaCppEngine) -> None:
    request = request_for("word " * 900, max_tokens=4)
    tokens = await engine.tokenize(request.prompt)
    first, second = (engine.generate(request, tokens, 4) for _ in range(2))
    await anext(first)
    waiting = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0)  # one turn of the loop takes it to the gate, where it waits
    waiting.cancel()
    before = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.get_running_loop().time() - before < 0.05
    await first.aclose()


async def test_an_assistant_turn_at_the_end_is_not_continued(engine: LlamaCppEngine) -> None:
    turns = (Message("developer", "Be brief."), Message("assistant", "Once upon a"))
    assert len(await engine.tokenize(turns)) > len(await engine.tokenize(turns[:1]))


async def test_a_file_that_is_no_model_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF not really")
    options = LlamaCppOptions(path, slots=1, context_tokens=64, threads=1)
    engine = LlamaCppEngine(options, SystemClock())
    with pytest.raises(HeadraceError, match="cannot load") as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    await engine.close()


async def test_a_file_that_is_not_there_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    options = LlamaCppOptions(tmp_path / "none.gguf", slots=1, context_tokens=64, threads=1)
    engine = LlamaCppEngine(options, SystemClock())
    with pytest.raises(HeadraceError, match=r"headrace_inference\.prepare") as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    await engine.close()


async def test_a_model_that_does_not_fit_is_not_tried(model: Path) -> None:
    options = LlamaCppOptions(model, slots=256, context_tokens=2**20, threads=1)
    engine = LlamaCppEngine(options, SystemClock())
    with pytest.raises(HeadraceError, match="lower SLOTS or CONTEXT_TOKENS") as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    await engine.close()


async def test_no_text_of_callers_reaches_the_output(
    engine: LlamaCppEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    await collect(engine, question("canary-in-the-prompt", max_tokens=4, stop=("canary-stop",)))
    schema = JsonSchema('{"const": "canary-schema"}')
    await collect(engine, replace(question("hi", max_tokens=4), response_format=schema))
    printed = capfd.readouterr()
    assert "canary" not in printed.out + printed.err


async def test_an_engine_that_falls_silent_is_given_up(model: Path) -> None:
    options = LlamaCppOptions(
        model, 1, context_tokens=1024, threads=1, prefill_chunk_tokens=1024, stall_seconds=1.5
    )
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    watch = asyncio.ensure_future(engine.watch())
    # a prompt in one chunk, which takes 5 s without a sign of life
    work = engine.generate(request_for("x"), await engine.tokenize("word " * 1000), max_tokens=2)
    assert await anext(work) == Accepted()
    with pytest.raises(HeadraceError, match="stalled"):
        await _read_out(work)
    with pytest.raises(HeadraceError, match="does not answer any more"):
        await watch
    await engine.close()


async def test_one_silent_completion_is_not_taken_for_a_dead_engine(model: Path) -> None:
    options = LlamaCppOptions(model, 2, context_tokens=1024, threads=1, stall_seconds=1.5)
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    watch, before = asyncio.ensure_future(engine.watch()), _completions()
    tokens = await engine.tokenize("word")
    talking = engine.generate(request_for("word", logit_bias={END: -100.0}), tokens, 900)
    while not isinstance(await anext(talking), Delta):
        continue
    # past `check`, which refuses it: it shows nothing while it is written
    silent = engine.generate(request_for("word", logit_bias={PART: 100.0}), tokens, 250)
    failing = asyncio.ensure_future(_read_out(silent))
    while not failing.done():
        await anext(talking)
    with pytest.raises(HeadraceError, match="stalled"):
        await failing
    next_one = asyncio.ensure_future(collect(engine, request_for("word", max_tokens=2)))
    most = 0
    while not next_one.done():
        most = max(most, len(_completions() - before))
        await anext(talking)
    assert most == 2, "nobody is given the silent one's place before its end"
    assert next_one.result().finished[0].tokens == 2
    assert not watch.done()
    watch.cancel()
    await talking.aclose()
    await engine.close()


def _completions() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "llamacpp completion"}


async def _read_out(work: AsyncIterator[EngineEvent]) -> None:
    async for _ in work:
        continue


async def test_hang_ups_while_the_prompt_is_read_leave_the_engine_able_to_read(
    engine: LlamaCppEngine,
) -> None:
    for ticks in range(60):
        reading = asyncio.ensure_future(engine.tokenize((Message("user", "x " * 200),)))
        for _ in range(ticks % 12):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
    async with asyncio.timeout(5):
        assert await engine.tokenize("still there")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}, "minItems": 100_000_000},
        {"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000}},
        {"type": "string", "minLength": 1e9},
    ],
)
async def test_a_schema_that_repeats_without_measure_is_refused(
    engine: LlamaCppEngine, schema: dict[str, object]
) -> None:
    request = replace(question("x"), response_format=JsonSchema(json.dumps(schema)))
    with pytest.raises(HeadraceError, match="more than 100000 times"):
        await engine.check(request)


async def test_a_directory_of_models_is_told_to_be_several(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    engine = LlamaCppEngine(
        LlamaCppOptions(tmp_path, slots=1, context_tokens=64, threads=1), SystemClock()
    )
    with pytest.raises(HeadraceError, match=r"2 \.gguf files.* start another process") as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    await engine.close()
