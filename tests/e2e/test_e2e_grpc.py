"""The gRPC front door of the running stack, as a service beside it calls it."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.e2e.scene import RUNNING, STORY
from tests.stack.audit import row_where
from tests.stack.grpc_door import Caller, chat
from tests.stack.metrics import Metrics

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace.gateway.v1 import gateway_pb2_grpc
from headrace_common.grpc_client import create_channel
from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID
from headrace_local.stack import Stack

SERVICE = "headrace.gateway.v1.CompletionService"
SECONDS = 60


@pytest.fixture
async def channel(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    async with create_channel(stack.plan.address("gateway_grpc")) as made:
        yield made


@pytest.fixture
def caller(channel: grpc.aio.Channel) -> Caller:
    return Caller(gateway_pb2_grpc.CompletionServiceStub(channel))


@pytest.fixture
def key(stack: Stack) -> tuple[tuple[str, str], ...]:
    return (("x-api-key", stack.access.api_key),)


def _question(text: str, **sampling: object) -> pb.CompleteRequest:
    request = chat(text, **sampling)
    request.model = MODEL_ID
    return request


async def test_the_model_answers_and_the_audit_has_it(
    stack: Stack, caller: Caller, key: tuple[tuple[str, str], ...]
) -> None:
    question = _question("Why is the sky blue?", temperature=0, max_tokens=24)
    answer = await caller.complete(question, key)
    assert answer.error is None
    assert "light" in answer.text
    assert answer.finished.HasField("signature")
    row = await row_where(stack, "request_id = $1", answer.told["x-request-id"])
    assert (row["operation"], row["outcome"]) == ("CompletionService/Complete", "succeeded")
    assert row["completion_tokens"] == answer.finished.completion_tokens == 24
    assert row["model_version"] == answer.finished.model.version


async def test_embeddings_and_models(caller: Caller, key: tuple[tuple[str, str], ...]) -> None:
    request = pb.EmbedRequest(model=EMBEDDING_MODEL_ID, texts=["a river", "a stream"])
    [embedded] = (await caller.call("Embed", request, key)).messages
    assert [len(vector) for vector in embedded.vectors] == [4 * 384] * 2
    [listed] = (await caller.call("ListModels", pb.ListModelsRequest(), key)).messages
    assert [model.version.id for model in listed.models] == [EMBEDDING_MODEL_ID, MODEL_ID]


async def test_who_leaves_stops_the_engine_and_is_audited(
    stack: Stack, caller: Caller, key: tuple[tuple[str, str], ...]
) -> None:
    async with asyncio.timeout(SECONDS), Metrics(stack, "inference") as inference:
        await inference.until(RUNNING, 0)
        call = caller.begin(_question(STORY, max_tokens=900), key)
        told = dict(await call.initial_metadata())
        await inference.until(RUNNING, 1)
        call.cancel()
        await inference.until(RUNNING, 0)
        row = await row_where(stack, "request_id = $1", told["x-request-id"])
    assert (row["outcome"], row["error_reason"]) == ("cancelled", "CANCELLED")
    assert row["prompt_tokens"] > 0


async def test_health_and_reflection_are_there(channel: grpc.aio.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service=SERVICE)
    health = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([question]), timeout=SECONDS)
    [answer] = [each async for each in call]
    names = [each.name for each in answer.list_services_response.service]
    assert SERVICE in names
