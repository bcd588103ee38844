"""The `cache` service as the gateway sees it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.lateness import Lateness, never_late, patient_timeout
from headrace_gateway.adapters.answer_codec import AnswerCodec
from headrace_gateway.domain.completion import Answer
from headrace_gateway.ports import AnswerKey

PATIENCE = 10
"""So many times its deadline a look-up may take while this process itself is late."""

MAXIMUM_KEYS = 8
"""Of one look-up, as in the proto."""


class GrpcAnswerStore:
    """AnswerStore over gRPC; deadlines in seconds.

    A gateway with much to do is later than a look-up may be: that is not the cache's delay, and to
    skip the cache for it would make more to do. Keys that are wanted in one turn of the event loop
    are looked up by one call (ADR 41).
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        look_up_seconds: float,
        store_seconds: float,
        lateness: Lateness = never_late,
    ) -> None:
        self._stub = cache_pb2_grpc.CacheServiceStub(channel)
        self._codec = AnswerCodec()
        self._look_up_seconds = look_up_seconds
        self._store_seconds = store_seconds
        self._lateness = lateness
        self._unsent: _LookUp | None = None

    async def look_up(self, key: AnswerKey) -> Answer | None:
        look_up = self._open_look_up()
        number = len(look_up.keys)
        look_up.keys.append(_key(key))
        # whoever leaves does not end what others wait for
        results = await asyncio.shield(look_up.results)
        # a cache of before ADR 41, while one replaces the other, has no results
        if number >= len(results) or not results[number].HasField("answer"):
            return None
        try:
            return self._codec.decode(results[number].answer.payload)
        except ValueError as error:
            raise HeadraceError(Reason.INTERNAL, "the cache holds an unreadable answer") from error

    def _open_look_up(self) -> "_LookUp":
        """One that takes another key; it is sent when the event loop turns next."""
        look_up = self._unsent
        if look_up is None or len(look_up.keys) == MAXIMUM_KEYS:
            keys: list[cache_pb2.CacheKey] = []
            look_up = self._unsent = _LookUp(keys, asyncio.create_task(self._send(keys)))
            look_up.results.add_done_callback(_retrieve)
        return look_up

    async def _send(self, keys: list[cache_pb2.CacheKey]) -> Sequence[cache_pb2.LookupResult]:
        if self._unsent is not None and self._unsent.keys is keys:
            self._unsent = None
        seconds = self._look_up_seconds
        response: cache_pb2.LookupResponse
        try:
            async with patient_timeout(seconds, self._lateness, patience=PATIENCE):
                with translate_rpc_errors("cache"):
                    request = cache_pb2.LookupRequest(keys=keys)
                    # gRPC's own clock does not know that we are late
                    response = await self._stub.Lookup(request, timeout=seconds * PATIENCE)
        except TimeoutError as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE, "the cache does not answer in time"
            ) from error
        return response.results

    async def store(self, key: AnswerKey, answer: Answer) -> None:
        payload = self._codec.encode(answer)
        request = cache_pb2.StoreRequest(
            key=_key(key), answer=cache_pb2.CachedAnswer(payload=payload)
        )
        with translate_rpc_errors("cache"):
            await self._stub.Store(request, timeout=self._store_seconds)


@dataclass(frozen=True, slots=True)
class _LookUp:
    """One call for the keys of several requests, and what it brings for each."""

    keys: list[cache_pb2.CacheKey]
    results: "asyncio.Task[Sequence[cache_pb2.LookupResult]]"


def _retrieve(results: "asyncio.Task[Sequence[cache_pb2.LookupResult]]") -> None:
    """Everybody who wanted to know may have left."""
    if not results.cancelled():
        results.exception()


def _key(key: AnswerKey) -> cache_pb2.CacheKey:
    return cache_pb2.CacheKey(
        organization_id=key.organization_id,
        model=key.model,
        model_version=key.model_version,
        guard_policy_version=key.guard_policy_version,
        request_digest=key.request_digest,
    )
