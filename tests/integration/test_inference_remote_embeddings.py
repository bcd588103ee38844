"""The openai engine before a real llama.cpp server that holds an embedding model: the suite."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from tests.stack.llama_server import CONTEXT_TOKENS, KEY, MODEL, SLOTS, running_llama_server

from headrace_common.clock import SystemClock
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.openai_remote.options import RemoteKind, RemoteOptions
from headrace_inference.testing import TEXTS, EmbeddingSuite, embed, similarity

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_llama_server(embeddings=True) as address:
        yield address


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[RemoteKind.LLAMACPP, RemoteKind.OPENAI]
)
async def engine(address: str, request: pytest.FixtureRequest) -> AsyncIterator[OpenAiRemoteEngine]:
    """One that reads the texts' tokens first, and one whose remote does not tell them."""
    options = RemoteOptions(
        f"{address}/v1",
        MODEL,
        slots=SLOTS,
        context_tokens=CONTEXT_TOKENS,
        features=frozenset(),
        kind=request.param,
        api_key=KEY,
        generates=False,
        embedding_dimensions=384,
        start_seconds=60,
    )
    engine = OpenAiRemoteEngine(options, SystemClock())
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()


class TestRemoteEmbeddings(EmbeddingSuite):
    pass


async def test_what_means_the_same_is_near_from_afar(engine: OpenAiRemoteEngine) -> None:
    password, login, recipe, _ = await embed(engine, *TEXTS)
    assert similarity(password, login) > similarity(password, recipe) + 0.3
