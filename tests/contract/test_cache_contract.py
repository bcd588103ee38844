"""CacheService as its callers meet it: the real servicer behind a real stub."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import duration_pb2
from prometheus_client import CollectorRegistry

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_cache.adapters.memory import MemoryEntryStore
from headrace_cache.app import build
from headrace_cache.domain.entries import MAXIMUM_KEYS
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


async def _found(
    stub: cache_pb2_grpc.CacheServiceStub, *keys: cache_pb2.CacheKey
) -> list[bytes | None]:
    response = await stub.Lookup(cache_pb2.LookupRequest(keys=keys), timeout=5)
    return [each.answer.payload if each.HasField("answer") else None for each in response.results]


def _other(**fields: Any) -> cache_pb2.CacheKey:
    other = cache_pb2.CacheKey(**fields)
    key = cache_pb2.CacheKey()
    key.CopyFrom(KEY)
    key.MergeFrom(other)
    return key


async def test_a_stored_answer_is_a_hit_until_it_expires(
    stub: cache_pb2_grpc.CacheServiceStub, clock: FakeClock
) -> None:
    await stub.Store(_store(b"answer", 30), timeout=5)
    assert await _found(stub, KEY) == [b"answer"]
    clock.advance(30)
    assert await _found(stub, KEY) == [None]


async def test_another_organisation_misses(stub: cache_pb2_grpc.CacheServiceStub) -> None:
    await stub.Store(_store(b"answer"), timeout=5)
    assert await _found(stub, _other(organization_id="org_2")) == [None]


async def test_keys_that_are_looked_up_together_are_answered_in_their_order(
    stub: cache_pb2_grpc.CacheServiceStub,
) -> None:
    await stub.Store(_store(b"answer"), timeout=5)
    others = [_other(model=str(number)) for number in range(MAXIMUM_KEYS - 1)]
    found = await _found(stub, *others[:3], KEY, *others[3:])
    assert found == [None, None, None, b"answer", *[None] * (MAXIMUM_KEYS - 4)]


@pytest.mark.parametrize(
    ("keys", "param"),
    [
        ([], "keys"),
        ([KEY] * (MAXIMUM_KEYS + 1), "keys"),
        ([KEY, cache_pb2.CacheKey()], "key.organization_id"),
    ],
)
async def test_look_ups_of_bad_keys_are_refused(
    stub: cache_pb2_grpc.CacheServiceStub, keys: list[cache_pb2.CacheKey], param: str
) -> None:
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("cache"):
        await stub.Lookup(cache_pb2.LookupRequest(keys=keys), timeout=5)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


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
