"""The `cache` service as the gateway sees it."""

import grpc

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.lateness import Lateness, never_late, patient_timeout
from headrace_gateway.adapters.answer_codec import AnswerCodec
from headrace_gateway.domain.completion import Answer
from headrace_gateway.ports import AnswerKey

PATIENCE = 5
"""So many times its deadline a look-up may take while this process itself is late."""


class GrpcAnswerStore:
    """AnswerStore over gRPC; deadlines in seconds.

    A gateway with much to do is later than a look-up may be: that is not the cache's delay, and to
    skip the cache for it would make more to do.
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

    async def look_up(self, key: AnswerKey) -> Answer | None:
        response = await self._ask(cache_pb2.LookupRequest(key=_key(key)))
        if not response.HasField("answer"):
            return None
        try:
            return self._codec.decode(response.answer.payload)
        except ValueError as error:
            raise HeadraceError(Reason.INTERNAL, "the cache holds an unreadable answer") from error

    async def _ask(self, request: cache_pb2.LookupRequest) -> cache_pb2.LookupResponse:
        seconds = self._look_up_seconds
        try:
            async with patient_timeout(seconds, self._lateness, patience=PATIENCE):
                with translate_rpc_errors("cache"):
                    # gRPC's own clock does not know that we are late
                    late = seconds * PATIENCE
                    response: cache_pb2.LookupResponse
                    response = await self._stub.Lookup(request, timeout=late)
                    return response
        except TimeoutError as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE, "the cache does not answer in time"
            ) from error

    async def store(self, key: AnswerKey, answer: Answer) -> None:
        payload = self._codec.encode(answer)
        request = cache_pb2.StoreRequest(
            key=_key(key), answer=cache_pb2.CachedAnswer(payload=payload)
        )
        with translate_rpc_errors("cache"):
            await self._stub.Store(request, timeout=self._store_seconds)


def _key(key: AnswerKey) -> cache_pb2.CacheKey:
    return cache_pb2.CacheKey(
        organization_id=key.organization_id,
        model=key.model,
        model_version=key.model_version,
        guard_policy_version=key.guard_policy_version,
        request_digest=key.request_digest,
    )
