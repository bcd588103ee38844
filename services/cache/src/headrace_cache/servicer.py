"""CacheService over gRPC: converts, makes one domain call, converts."""

from typing import Any

from headrace.cache.v1 import cache_pb2, cache_pb2_grpc
from headrace_cache.answer_cache import AnswerCache
from headrace_cache.domain.entries import CacheKey
from headrace_cache.metrics import CacheMetrics
from headrace_common.grpc_server import Registration


class CacheServicer(cache_pb2_grpc.CacheServiceServicer):
    """The proto's CacheService."""

    def __init__(self, cache: AnswerCache, metrics: CacheMetrics) -> None:
        self._cache = cache
        self._metrics = metrics

    async def Lookup(  # noqa: N802 - the proto's name
        self, request: cache_pb2.LookupRequest, _context: Any
    ) -> cache_pb2.LookupResponse:
        payloads = await self._cache.look_up([_key(key) for key in request.keys])
        response = cache_pb2.LookupResponse()
        for payload in payloads:
            self._metrics.count_lookup(hit=payload is not None)
            result = response.results.add()
            if payload is not None:
                result.answer.payload = payload
        return response

    async def Store(  # noqa: N802 - the proto's name
        self, request: cache_pb2.StoreRequest, _context: Any
    ) -> cache_pb2.StoreResponse:
        wanted = request.time_to_live.ToTimedelta() if request.HasField("time_to_live") else None
        seconds = wanted.total_seconds() if wanted is not None else None
        await self._cache.store(_key(request.key), request.answer.payload, seconds)
        return cache_pb2.StoreResponse()

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.cache.v1.CacheService",
            cache_pb2_grpc.add_CacheServiceServicer_to_server,
            self,
        )


def _key(message: cache_pb2.CacheKey) -> CacheKey:
    return CacheKey(
        organization_id=message.organization_id,
        model=message.model,
        model_version=message.model_version,
        guard_policy_version=message.guard_policy_version,
        request_digest=message.request_digest,
    )
