"""CacheService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator

import pytest
from google.protobuf import duration_pb2
from prometheus_client import CollectorRegistry

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_cache.adapters.memory import MemoryEntryStore
from headrace_cache.app import build
from headrace_cache.settings import CacheSettings
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.clock import FakeClock
from headrace_common.testing.grpc import serving

KEY = cache_pb2.CacheKey(
    organization_id="org_1",
    model="smollm2",
    model_version="v1",
    guard_policy_version="p1",
    request_digest=b"\x07" * 32,
)


@pytest.fixture
async def stub(clock: FakeClock) -> AsyncIterator[cache_pb2_grpc.CacheServiceStub]:
    settings = CacheSettings(redis_url="unix:///unused", maximum_payload_bytes=100)
    servicer = build(settings, store=MemoryEntryStore(clock), registry=CollectorRegistry())
    async with serving([servicer.registration()]) as channel:
        yield cache_pb2_grpc.CacheServiceStub(channel)


def _store(payload: bytes, seconds: int | None = None) -> cache_pb2.StoreRequest:
    ttl = duration_pb2.Duration(seconds=seconds) if seconds is not None else None
    answer = cache_pb2.CachedAnswer(payload=payload)
    return cache_pb2.StoreRequest(key=KEY, answer=answer, time_to_live=ttl)


async def test_a_stored_answer_is_a_hit_until_it_expires(
    stub: cache_pb2_grpc.CacheServiceStub, clock: FakeClock
) -> None:
    await stub.Store(_store(b"answer", 30), timeout=5)
    hit = await stub.Lookup(cache_pb2.LookupRequest(key=KEY), timeout=5)
    assert hit.answer.payload == b"answer"
    clock.advance(30)
    miss = await stub.Lookup(cache_pb2.LookupRequest(key=KEY), timeout=5)
    assert not miss.HasField("answer")


async def test_another_organisation_misses(stub: cache_pb2_grpc.CacheServiceStub) -> None:
    await stub.Store(_store(b"answer"), timeout=5)
    other = cache_pb2.CacheKey()
    other.CopyFrom(KEY)
    other.organization_id = "org_2"
    response = await stub.Lookup(cache_pb2.LookupRequest(key=other), timeout=5)
    assert not response.HasField("answer")


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (_store(b""), "answer.payload"),
        (_store(b"x" * 101), "answer.payload"),
        (_store(b"x", 0), "time_to_live"),
        (cache_pb2.StoreRequest(), "key.organization_id"),
    ],
)
async def test_bad_fields_are_named(
    stub: cache_pb2_grpc.CacheServiceStub, request_: cache_pb2.StoreRequest, param: str
) -> None:
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("cache"):
        await stub.Store(request_, timeout=5)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == param
