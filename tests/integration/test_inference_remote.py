"""The openai engine before a real llama.cpp server: the engines' suite, and its bad days."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from tests.stack.llama_server import (
    CONTEXT_TOKENS,
    DIMENSIONS,
    KEY,
    MODEL,
    SLOTS,
    running_llama_server,
)

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.proxy import Proxy, proxying
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.events import (
    Accepted,
    Delta,
    EngineEvent,
    FinishReason,
    PromptCounted,
)
from headrace_inference.domain.requests import EmbeddingRequest, Message, Tool
from headrace_inference.testing import EngineSuite, collect, question, read_prompt, request_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEATURES = frozenset(Feature) - {Feature.GRAMMAR}
STORY = question("Tell me a long story about a river.", max_tokens=400)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_llama_server() as address:
        yield address


def options(address: str, **changes: Any) -> RemoteOptions:
    usual = RemoteOptions(
        f"{address}/v1",
        MODEL,
        slots=SLOTS,
        context_tokens=CONTEXT_TOKENS,
        features=FEATURES,
        kind=RemoteKind.LLAMACPP,
        api_key=KEY,
        embedding_dimensions=DIMENSIONS,
        start_seconds=60,
    )
    return replace(usual, **changes)


@asynccontextmanager
async def engine_for(address: str, **changes: Any) -> AsyncIterator[OpenAiRemoteEngine]:
    engine = OpenAiRemoteEngine(options(address, **changes), SystemClock())
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llamacpp(address: str) -> AsyncIterator[OpenAiRemoteEngine]:
    async with engine_for(address) as engine:
        yield engine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(address: str) -> AsyncIterator[OpenAiRemoteEngine]:
    async with engine_for(address, kind=RemoteKind.OPENAI) as engine:
        yield engine


@pytest_asyncio.fixture(loop_scope="module")
async def proxied(address: str) -> AsyncIterator[tuple[Proxy, OpenAiRemoteEngine]]:
    """An engine that reaches the remote through a proxy."""
    url = urlsplit(address)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(
            proxying(lambda: asyncio.open_connection(url.hostname, url.port))
        )
        through = f"http://127.0.0.1:{proxy.port}"
        yield proxy, await stack.enter_async_context(engine_for(through, stall_seconds=4.0))


class TestOpenAiRemoteEngine(EngineSuite):
    @pytest.fixture
    def engine(self, llamacpp: OpenAiRemoteEngine) -> OpenAiRemoteEngine:
        return llamacpp


async def test_a_server_of_no_known_kind_tells_its_tokens_afterwards(
    llamacpp: OpenAiRemoteEngine, plain: OpenAiRemoteEngine
) -> None:
    assert not plain.info.capabilities.tokenizes
    request = question("Count to twenty.", max_tokens=8, choices=2)
    got = await collect(plain, request)
    assert [end.tokens for end in got.finished.values()] == [8, 8]
    events = [event async for event in plain.generate(request, (), 8)]
    tokens = len(await read_prompt(llamacpp, request))
    assert [event for event in events if isinstance(event, PromptCounted)] == [
        PromptCounted(tokens)
    ]


async def test_a_text_completion_without_a_maximum_goes_on_to_what_fits(
    plain: OpenAiRemoteEngine,
) -> None:
    request = request_for("One two three four five six seven", stop=("twenty",))
    async for event in plain.generate(request, (), CONTEXT_TOKENS):
        if isinstance(event, Delta) and event.choice == 0 and event.tokens:
            break
    assert isinstance(event, Delta)


async def test_tools_are_called(llamacpp: OpenAiRemoteEngine) -> None:
    schema = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
    call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Lima"}}\n</tool_call>'
    turns = [(Message("user", "Again."), Message("assistant", call)) for _ in range(2)]
    request = replace(
        request_for((*turns[0], *turns[1], Message("user", "Again.")), max_tokens=40),
        tools=(Tool("get_weather", "Tells the weather.", schema),),
        tool_choice="auto",
    )
    got = await collect(llamacpp, request)
    parts = [part for delta in got.deltas for part in delta.tool_calls]
    assert [part.name for part in parts if part.name] == ["get_weather"]
    assert json.loads("".join(part.arguments for part in parts)) == {"city": "Lima"}
    assert parts[0].id
    assert got.finished[0].reason is FinishReason.TOOL_CALLS


async def test_embeddings_have_length_one_and_come_in_order(llamacpp: OpenAiRemoteEngine) -> None:
    texts = ("a river", "an old song", "a river")
    vectors = await llamacpp.embed(EmbeddingRequest("r", "o", "m", texts), ())
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 3
    assert all(math.isclose(math.hypot(*vector), 1.0) for vector in vectors)
    first, other, again = vectors
    assert math.dist(first, again) < 0.01 < math.dist(first, other)


async def test_the_digest_is_the_same_for_each_replica_and_another_for_another_model(
    address: str, llamacpp: OpenAiRemoteEngine
) -> None:
    async with engine_for(address) as other:
        assert other.info.digest == llamacpp.info.digest
    async with engine_for(address, digest="ab" * 32) as told:
        assert told.info.digest == "ab" * 32
    entry = {"id": MODEL, "created": 1, "meta": {"size": 1}}
    digests = {options(address).digest_of(entry | {"meta": {"size": size}}) for size in (1, 2)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api_key": "sk-canary"}, "refuses our API key"),
        ({"api_key": None}, "refuses our API key"),
        ({"model": "other"}, r"serves \['smollm'\] \(REMOTE_MODEL\)"),
        ({"context_tokens": 4096}, r"context of 512 tokens \(CONTEXT_TOKENS\)"),
    ],
)
async def test_what_the_operator_must_mend_is_told_at_the_start(
    address: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(HeadraceError, match=message) as caught:
        async with engine_for(address, **changes):
            raise AssertionError
    assert caught.value.reason is Reason.ENGINE_FAILED
    assert "canary" not in caught.value.message
    assert "canary" not in repr(options(address, **changes))


async def test_a_prompt_that_is_too_long_for_the_remote_is_the_callers_mistake(
    plain: OpenAiRemoteEngine,
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await collect(plain, request_for("word " * 2000, max_tokens=4))
    assert caught.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED


async def test_the_start_waits_for_a_remote_that_is_not_there_yet(free_port: int) -> None:
    engine = OpenAiRemoteEngine(options(f"http://127.0.0.1:{free_port}"), SystemClock())
    starting = asyncio.create_task(engine.start())
    with pytest.raises(HeadraceError) as caught:
        await engine.health()
    assert caught.value.reason is Reason.NOT_SERVING
    with running_llama_server(free_port):
        async with asyncio.timeout(60):
            await starting
        await engine.health()
    await engine.close()


async def test_a_remote_that_never_comes_ends_the_start(free_port: int) -> None:
    away = options(f"http://127.0.0.1:{free_port}", start_seconds=0.2)
    engine = OpenAiRemoteEngine(away, SystemClock())
    with pytest.raises(HeadraceError, match=r"did not answer in 0\.2 s"):
        await engine.start()
    await engine.close()


async def test_a_remote_that_is_gone_may_be_tried_elsewhere_until_it_is_back(
    proxied: tuple[Proxy, OpenAiRemoteEngine],
) -> None:
    proxy, engine = proxied
    proxy.cut()
    with pytest.raises(HeadraceError) as caught:
        await anext(engine.generate(STORY, (1,), 4))
    assert caught.value.reason is Reason.NOT_SERVING
    assert caught.value.retry_after_seconds
    with pytest.raises(HeadraceError) as caught:
        await engine.health()
    assert caught.value.reason is Reason.NOT_SERVING
    proxy.restore()
    await engine.health()
    assert (await collect(engine, question("hi", max_tokens=2))).finished


@pytest.mark.parametrize("how", ["cut", "freeze"])
async def test_an_answer_that_breaks_in_the_middle_fails(
    proxied: tuple[Proxy, OpenAiRemoteEngine], how: str
) -> None:
    proxy, engine = proxied
    work = engine.generate(STORY, (1,), 400)
    assert await anext(work) == Accepted()
    proxy.cut() if how == "cut" else proxy.freeze()
    with pytest.raises(HeadraceError, match="broke off" if how == "cut" else "stalled") as caught:
        await _read_out(work)
    assert caught.value.reason is Reason.ENGINE_FAILED
    proxy.restore()
    assert (await collect(engine, question("hi", max_tokens=2))).finished


async def test_hang_ups_at_any_moment_leave_connections_for_those_who_stay(
    llamacpp: OpenAiRemoteEngine,
) -> None:
    for ticks in range(40):
        run = asyncio.ensure_future(collect(llamacpp, STORY))
        for _ in range(ticks):  # each turn of the loop is a moment to leave at
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])
    async with asyncio.timeout(30):
        runs = (collect(llamacpp, question("hi", max_tokens=2)) for _ in range(SLOTS))
        assert all(got.finished for got in await asyncio.gather(*runs))


async def _read_out(work: AsyncIterator[EngineEvent]) -> None:
    async for _ in work:
        continue
