"""LoRA adapters under llama.cpp: models of their own over the same weights."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import pytest_asyncio

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.domain.events import Working
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.testing import QUESTIONS, collect, prepared_model, question
from headrace_inference.weights.digest import file_digest

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTH = 576
"""Of SmolLM2-135M's attention."""
RANK = 4
TENSOR = "blk.15.attn_output.weight"
NAMES = ("first", "second")


def write_adapter(
    path: Path, seed: int, *, architecture: str = "llama", tensor: str = TENSOR, width: int = WIDTH
) -> Path:
    """A LoRA adapter of random numbers, large enough to change what the model says."""
    draw = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(RANK))
    for suffix, shape in (("lora_a", (RANK, width)), ("lora_b", (width, RANK))):
        numbers = draw.normal(scale=0.3, size=shape).astype(np.float32)
        writer.add_tensor(f"{tensor}.{suffix}", numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: write_adapter(folder / f"{name}.gguf", n) for n, name in enumerate(NAMES)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(adapters: dict[str, Path]) -> AsyncIterator[LlamaCppEngine]:
    options = LlamaCppOptions(prepared_model(), 4, 512, threads=1, lora_adapters=adapters)
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    yield engine
    async with asyncio.timeout(30):
        await engine.close()


def asking(model: str, text: str = QUESTIONS[0], max_tokens: int = 12) -> GenerationRequest:
    return replace(question(text, max_tokens=max_tokens), model=model)


async def text_of(engine: LlamaCppEngine, request: GenerationRequest) -> str:
    return (await collect(engine, request)).texts[0]


async def test_each_adapter_makes_another_model_with_a_digest_of_its_own(
    engine: LlamaCppEngine,
) -> None:
    digests = [engine.info.digest, *(engine.info.adapted[name] for name in NAMES)]
    assert digests[0] == file_digest(prepared_model())
    assert len(set(digests)) == 3
    texts = [await text_of(engine, asking(name)) for name in ("model", *NAMES)]
    assert len(set(texts)) == 3


async def test_the_model_itself_says_what_it_says_without_adapters(engine: LlamaCppEngine) -> None:
    plain = LlamaCppEngine(LlamaCppOptions(prepared_model(), 4, 512, threads=1), SystemClock())
    await plain.start()
    expected = await text_of(plain, asking("model"))
    await plain.close()
    assert await text_of(engine, asking("model")) == expected


async def test_what_runs_together_says_what_each_says_alone(engine: LlamaCppEngine) -> None:
    requests = [asking(name, text) for text in QUESTIONS[:3] for name in ("model", *NAMES, "model")]
    alone = [await text_of(engine, request) for request in requests]
    slots = asyncio.Semaphore(engine.info.slots)

    async def ask(request: GenerationRequest) -> str:
        async with slots:
            return await text_of(engine, request)

    assert await asyncio.gather(*map(ask, requests)) == alone


async def test_whoever_hangs_up_while_it_waits_for_another_adapter_leaves_no_trace(
    engine: LlamaCppEngine,
) -> None:
    first, second = asking("first", max_tokens=100), asking("second")
    tokens = await engine.tokenize(first.prompt)
    running = engine.generate(first, tokens, 100)
    await anext(running)
    waiting = asyncio.ensure_future(anext(engine.generate(second, tokens, 1)))
    await settle()
    assert not waiting.done(), "it waits for the first adapter's answer to end"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await running.aclose()
    async with asyncio.timeout(30):
        assert await text_of(engine, asking("second"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"architecture": "qwen2"}, "architecture qwen2"),
        ({"tensor": "blk.99.attn_output.weight"}, "changes blk.99.attn_output.weight"),
        ({"width": 64}, "an adapter does not fit"),
    ],
)
async def test_an_adapter_of_another_model_is_one_clear_error(
    tmp_path: Path, wrong: dict[str, str], says: str
) -> None:
    path = write_adapter(tmp_path / "a.gguf", 1, **wrong)  # type: ignore[arg-type]
    await expect_failure(path, says)


async def test_a_file_that_is_no_adapter_is_one_clear_error(tmp_path: Path) -> None:
    await expect_failure(tmp_path / "none.gguf", "there is no adapter")
    (tmp_path / "text.gguf").write_text("no GGUF at all")
    await expect_failure(tmp_path / "text.gguf", "no GGUF file")
    await expect_failure(prepared_model(), "no LoRA adapter")


async def expect_failure(adapter: Path, says: str) -> None:
    options = LlamaCppOptions(prepared_model(), 1, 64, threads=1, lora_adapters={"a": adapter})
    engine = LlamaCppEngine(options, SystemClock())
    with pytest.raises(HeadraceError, match=says) as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    await engine.close()


async def test_a_long_prompt_is_read_once_with_its_adapter(
    engine: LlamaCppEngine, adapters: dict[str, Path]
) -> None:
    chunk = 16
    options = LlamaCppOptions(
        prepared_model(), 2, 512, 1, prefill_chunk_tokens=chunk, lora_adapters=adapters
    )
    fed = LlamaCppEngine(options, SystemClock())
    await fed.start()
    request = asking(NAMES[0], " ".join(QUESTIONS))
    assert await text_of(fed, request) == await text_of(engine, request)
    tokens = await fed.tokenize(request.prompt)
    events = [event async for event in fed.generate(request, tokens, 1)]
    # one for each chunk before the last, and one when that is begun: llama.cpp forgets what it has
    # read with another adapter, and would tell of all chunks once more
    assert events.count(Working()) <= len(tokens) // chunk + 1
    assert len(tokens) > 3 * chunk
    await fed.close()
