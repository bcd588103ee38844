"""Look-ups that are wanted at once share calls to the cache, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_cache.domain import entries
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_server import Registration
from headrace_common.testing.grpc import serving
from headrace_common.testing.tasks import settle
from headrace_gateway.adapters.answer_codec import AnswerCodec
from headrace_gateway.adapters.cache_grpc import MAXIMUM_KEYS, GrpcAnswerStore
from headrace_gateway.domain.completion import Answer, ModelVersion
from headrace_gateway.ports import AnswerKey

KEYS = [AnswerKey("org_1", str(number), "v1", "p1", b"\x07" * 32) for number in range(20)]
UNKNOWN = "3"
UNREADABLE = "4"


class Cache(cache_pb2_grpc.CacheServiceServicer):
    """Knows for each model an answer that names it, once its door is open."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.called = asyncio.Event()
        self.door = asyncio.Event()
        self.fails = False
        self.knows_results = True

    async def Lookup(
        self, request: cache_pb2.LookupRequest, _context: Any
    ) -> cache_pb2.LookupResponse:
        self.calls.append(len(request.keys))
        self.called.set()
        await self.door.wait()
        if self.fails:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "no store")
        response = cache_pb2.LookupResponse()
        for key in request.keys if self.knows_results else ():
            result = response.results.add()
            if key.model == UNREADABLE:
                result.answer.payload = b"?"
            elif key.model != UNKNOWN:
                result.answer.payload = AnswerCodec().encode(answer_of(key.model))
        return response

    def registration(self) -> Registration:
        return Registration(
            "headrace.cache.v1.CacheService",
            cache_pb2_grpc.add_CacheServiceServicer_to_server,
            self,
        )


def answer_of(model: str) -> Answer:
    return Answer(ModelVersion(model, "v1"), (), 1, 1)


@pytest.fixture
def cache() -> Cache:
    return Cache()


@pytest.fixture
async def channel(cache: Cache) -> AsyncIterator[grpc.aio.Channel]:
    async with serving([cache.registration()]) as channel:
        yield channel


@pytest.fixture
def answers(channel: grpc.aio.Channel) -> GrpcAnswerStore:
    return GrpcAnswerStore(channel, look_up_seconds=5, store_seconds=5)


async def test_each_gets_its_own_answer_in_few_calls(
    cache: Cache, answers: GrpcAnswerStore
) -> None:
    cache.door.set()
    found = await asyncio.gather(*map(answers.look_up, KEYS), return_exceptions=True)
    assert sorted(cache.calls) == [len(KEYS) - 2 * MAXIMUM_KEYS, MAXIMUM_KEYS, MAXIMUM_KEYS]
    unreadable = found.pop(int(UNREADABLE))
    assert isinstance(unreadable, HeadraceError)
    assert unreadable.reason is Reason.INTERNAL
    expected = [answer_of(key.model) for key in KEYS if key.model != UNREADABLE]
    assert found == [each if each.model.id != UNKNOWN else None for each in expected]


def test_a_call_has_as_many_keys_as_the_cache_takes() -> None:
    assert MAXIMUM_KEYS == entries.MAXIMUM_KEYS


async def test_a_cache_that_knows_no_results_is_a_miss(
    cache: Cache, answers: GrpcAnswerStore
) -> None:
    cache.door.set()
    cache.knows_results = False
    assert await answers.look_up(KEYS[0]) is None


async def test_who_leaves_takes_nobody_along(cache: Cache, answers: GrpcAnswerStore) -> None:
    leaving, staying = (asyncio.create_task(answers.look_up(key)) for key in KEYS[:2])
    await cache.called.wait()
    leaving.cancel()
    await settle()
    assert leaving.cancelled()
    cache.door.set()
    assert await staying == answer_of("1")
    assert cache.calls == [2]


async def test_what_comes_later_is_asked_later(cache: Cache, answers: GrpcAnswerStore) -> None:
    first = asyncio.create_task(answers.look_up(KEYS[0]))
    await cache.called.wait()
    cache.door.set()
    assert await answers.look_up(KEYS[1]) == answer_of("1")
    assert await first == answer_of("0")
    assert cache.calls == [1, 1]


async def test_a_call_that_fails_fails_for_all_of_it_and_no_longer(
    cache: Cache, answers: GrpcAnswerStore
) -> None:
    cache.door.set()
    cache.fails = True
    found = await asyncio.gather(*map(answers.look_up, KEYS[:3]), return_exceptions=True)
    assert [type(each) for each in found] == [HeadraceError] * 3
    cache.fails = False
    assert await answers.look_up(KEYS[0]) == answer_of("0")
