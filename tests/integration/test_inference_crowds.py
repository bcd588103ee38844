"""Random joins, cancels, stalls and kills leave no slot, queue entry or task behind."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tests.stack.inference_crowd import Crowd, expect_nothing_left
from tests.stack.inference_trouble import EchoCrowd, LibraryCrowd, ProxiedCrowd
from tests.stack.llama_server import (
    CONTEXT_TOKENS,
    DIMENSIONS,
    KEY,
    MODEL,
    SLOTS,
    running_llama_server,
)

from headrace_common.clock import SystemClock
from headrace_common.testing.proxy import proxying
from headrace_inference.adapters.llamacpp.embeddings import LlamaCppEmbeddings
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.llamacpp.options import LlamaCppOptions
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.domain.capabilities import Feature
from headrace_inference.testing import prepared_embedding_model, prepared_model

EXAMPLES, STEPS = 4, 10


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_a_crowd_before_the_echo_engine_leaves_nothing_behind() -> None:
    expect_nothing_left(EchoCrowd, examples=60, steps=30)


def test_a_crowd_before_llamacpp_leaves_nothing_behind(runner: asyncio.Runner) -> None:
    engine = runner.run(_started_llamacpp())
    expect_nothing_left(lambda: Crowd(runner, engine), examples=EXAMPLES, steps=STEPS)
    runner.run(engine.close())


def test_a_crowd_before_a_silent_or_failing_llamacpp_leaves_nothing_behind() -> None:
    model = prepared_model()
    expect_nothing_left(lambda: LibraryCrowd(model), examples=12, steps=20)


def test_a_crowd_before_an_embedding_model_leaves_nothing_behind(runner: asyncio.Runner) -> None:
    engine = runner.run(_started_embeddings())
    expect_nothing_left(lambda: Crowd(runner, engine), examples=10, steps=20)
    runner.run(engine.close())


@pytest.mark.parametrize("kind", [RemoteKind.LLAMACPP, RemoteKind.OPENAI])
def test_a_crowd_before_a_remote_leaves_nothing_behind(
    runner: asyncio.Runner, kind: RemoteKind
) -> None:
    with running_llama_server() as address:
        url = urlsplit(address)
        proxies = proxying(lambda: asyncio.open_connection(url.hostname, url.port))
        proxy = runner.run(proxies.__aenter__())
        options = RemoteOptions(
            f"http://127.0.0.1:{proxy.port}/v1",
            MODEL,
            slots=SLOTS,
            context_tokens=CONTEXT_TOKENS,
            features=frozenset({Feature.CHAT, Feature.CHOICES}),
            kind=kind,
            api_key=KEY,
            embedding_dimensions=DIMENSIONS,
            stall_seconds=3.0,
        )
        engine = OpenAiRemoteEngine(options, SystemClock())
        runner.run(engine.start())
        expect_nothing_left(
            lambda: ProxiedCrowd(runner, engine, proxy), examples=2 * EXAMPLES, steps=2 * STEPS
        )
        runner.run(engine.close())
        runner.run(proxies.__aexit__(None, None, None))


async def _started_llamacpp() -> LlamaCppEngine:
    options = LlamaCppOptions(
        prepared_model(), slots=3, context_tokens=64, threads=1, prefill_chunk_tokens=2
    )
    engine = LlamaCppEngine(options, SystemClock())
    await engine.start()
    return engine


async def _started_embeddings() -> LlamaCppEmbeddings:
    options = LlamaCppOptions(prepared_embedding_model(), slots=3, context_tokens=64, threads=1)
    engine = LlamaCppEmbeddings(options, SystemClock())
    await engine.start()
    return engine
