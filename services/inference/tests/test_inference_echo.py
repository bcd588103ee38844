"""The echo engine passes the engines' suite and says exactly what is expected."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.tasks import settle
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.domain.events import Delta, FinishReason
from headrace_inference.domain.requests import GenerationRequest, JsonObject, Message
from headrace_inference.testing import EmbeddingSuite, EngineSuite, collect, question, request_for


async def started(pause: Callable[[], Awaitable[object]] | None = None) -> EchoEngine:
    engine = EchoEngine(FakeClock(), slots=4, context_tokens=64, pause=pause)
    await engine.start()
    return engine


class TestEchoEngine(EngineSuite, EmbeddingSuite):
    draws = False

    @pytest.fixture
    async def engine(self) -> AsyncIterator[EchoEngine]:
        engine = await started()
        yield engine
        await engine.close()


async def test_it_echoes_the_last_user_message_word_by_word() -> None:
    engine = await started(pause=asyncio.Semaphore(3).acquire)
    talk = (Message("user", "not this"), Message("assistant", "no"), Message("user", "a bc  d"))
    got = await collect(engine, request_for(talk))
    assert got.deltas == [Delta(0, "a", 1), Delta(0, " bc", 1), Delta(0, "  d", 1)]
    assert got.finished[0].reason is FinishReason.STOP
    assert len(await engine.tokenize("a bc  d")) == 3


async def test_without_a_pause_all_words_of_a_choice_are_ready_together() -> None:
    engine = await started()
    got = await collect(engine, question("a bc", choices=2))
    assert got.deltas == [Delta(0, "a bc", 2), Delta(1, "a bc", 2)]


async def test_it_waits_for_its_pause_before_each_token() -> None:
    gate = asyncio.Semaphore(1)
    engine = await started(pause=gate.acquire)
    work = engine.generate(question("a b"), (), 10)
    await anext(work)
    assert await anext(work) == Delta(0, "a", 1)
    second = asyncio.ensure_future(anext(work))
    await settle()
    assert not second.done()
    gate.release()
    assert await second == Delta(0, " b", 1)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (replace(question("hi"), response_format=JsonObject()), "response_format"),
        (question("hi", top_logprobs=1), "top_logprobs"),
        (question("hi", logit_bias={1: 1.0}), "logit_bias"),
    ],
)
async def test_it_does_not_promise_what_it_cannot_honour(
    wanted: GenerationRequest, param: str
) -> None:
    engine = await started()
    with pytest.raises(HeadraceError) as caught:
        engine.info.capabilities.check(wanted)
    assert caught.value.reason is Reason.UNSUPPORTED_PARAMETER
    assert caught.value.param == param


async def test_it_has_no_info_before_it_started() -> None:
    with pytest.raises(HeadraceError) as caught:
        _ = EchoEngine(FakeClock(), slots=1, context_tokens=64).info
    assert caught.value.reason is Reason.NOT_SERVING


@given(st.text(alphabet="ab ", min_size=1, max_size=30), st.text("ab ", min_size=1, max_size=4))
def test_stop_texts_are_found_across_words(text: str, stop: str) -> None:
    async def run() -> str:
        request = request_for(text, stop=(stop,), max_tokens=100)
        return (await collect(await started(), request)).texts.get(0, "")

    assert asyncio.run(run()) == text.partition(stop)[0]
