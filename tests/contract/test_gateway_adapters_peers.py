"""The gateway's gRPC adapters when nobody is there, and when somebody is there and says nothing."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import grpc

from headrace_common.errors import Reason
from headrace_common.grpc_client import create_channel
from headrace_common.grpc_server import Registration
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.audit_events import AuditClient
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.cache_grpc import GrpcAnswerStore
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.domain.completion import Answer, CompletionRequest, ModelVersion
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.http.accounts.tables import TABLES
from headrace_gateway.ports import AnswerKey

KEY = AnswerKey("org_1", "echo", "v1", "p1", b"\x07" * 32)
ANSWER = Answer(ModelVersion("echo", "v1"), (), 0, 0)
REQUEST = CompletionRequest("echo", "Hello")
EXCHANGE = Exchange(
    "req_1",
    Activity.ADMINISTRATION,
    "GET /",
    "192.0.2.7",
    "hr_x",
    datetime(2026, 1, 1, tzinfo=UTC),
    0.0,
)
ACCOUNT_CALLS = {route.call for routes in TABLES.values() for route in routes}


class Silence(grpc.GenericRpcHandler):
    """Takes every call and answers none."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def wait(request: bytes, context: object) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

        return grpc.unary_unary_rpc_method_handler(wait)


def every_call(channel: grpc.aio.Channel) -> dict[str, Awaitable[Any]]:
    """One of each call that the gateway makes while a caller waits, with short deadlines."""
    auth = AuthClient(channel, resolve_seconds=0.2)
    accounts = GrpcAccounts(channel, seconds=0.2)
    answers = GrpcAnswerStore(channel, look_up_seconds=0.2, store_seconds=0.2)
    target = GrpcInferenceTarget(channel, generation_seconds=0.2)
    return {
        "resolve": auth.resolve("x"),
        "key set": auth.key_set(),
        "revocations": auth.since(EXCHANGE.occurred_at),
        **{name: accounts.call(name, {}, EXCHANGE) for name in ACCOUNT_CALLS},
        "generate": anext(target.generate("req_1", "org_1", REQUEST)),
        "models": target.models(),
        "look up": answers.look_up(KEY),
        "store": answers.store(KEY, ANSWER),
    }


async def reasons(calls: dict[str, Awaitable[Any]]) -> dict[str, Reason]:
    async with asyncio.timeout(4):
        results: list[Any] = await asyncio.gather(*calls.values(), return_exceptions=True)
    return {name: result.reason for name, result in zip(calls, results, strict=True)}


async def test_a_peer_that_is_absent_is_unavailable() -> None:
    async with create_channel("127.0.0.1:1") as channel:
        calls = every_call(channel)
        calls["audit"] = AuditClient(channel).send([b""])
        assert await reasons(calls) == dict.fromkeys(calls, Reason.DEPENDENCY_UNAVAILABLE)


async def test_a_peer_that_is_silent_is_as_good_as_absent() -> None:
    registration = Registration(
        "silence", lambda _, server: server.add_generic_rpc_handlers((Silence(),)), None
    )
    async with serving([registration]) as channel:
        calls = every_call(channel)
        assert await reasons(calls) == dict.fromkeys(calls, Reason.DEPENDENCY_UNAVAILABLE)
