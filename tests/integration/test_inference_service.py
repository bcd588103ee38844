"""The inference service: a stalled engine loses readiness, and a drain loses no answer."""

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.stack.inference_service import (
    NOT_SERVING,
    SECONDS,
    SERVING,
    liveness,
    readiness,
    rest_of,
    running,
    text_of,
    until,
)

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.errors import Reason
from headrace_common.grpc_errors import from_rpc_error
from headrace_inference.settings import InferenceSettings
from headrace_inference.testing import prepared_model

QUESTION = pb.GenerateRequest(
    request_id="r", organization_id="o", model="echo", prompt="one two three four five"
)


@pytest.fixture
def settings(free_port: int) -> InferenceSettings:
    return InferenceSettings(
        engine="echo",
        model_id="echo",
        grpc_address=f"127.0.0.1:{free_port}",
        metrics_address="127.0.0.1:0",
        drain_seconds=10,
        silent_seconds=0.2,
    )


def connection_of_its_own(address: str) -> grpc.aio.Channel:
    """As each probe of a kubelet makes one; other channels to an address share theirs."""
    return grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))


async def test_a_stalled_engine_loses_readiness_and_not_its_life(
    settings: InferenceSettings,
) -> None:
    async with running(settings.model_copy(update={"echo_stalling_every": 1})) as (_, channel):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call = stub.Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        await until(channel, NOT_SERVING)
        assert await liveness(channel) == SERVING
        load = await stub.GetLoad(pb.GetLoadRequest(), timeout=SECONDS)
        assert load.running_requests == 1
        call.cancel()
        await until(channel, SERVING)


async def test_an_answer_that_has_begun_ends_while_the_service_drains(
    settings: InferenceSettings,
) -> None:
    async with running(settings.model_copy(update={"echo_token_seconds": 0.1})) as (
        runtime,
        channel,
    ):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        call = stub.Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        closing = asyncio.create_task(runtime.close())
        messages = await rest_of(call)
        assert text_of(messages) == QUESTION.prompt
        assert messages[-1].WhichOneof("event") == "finished"
        await closing


async def test_while_an_answer_goes_on_a_draining_service_lives_and_refuses_others(
    settings: InferenceSettings,
) -> None:
    # A drain may last longer than a step of this shutdown: it fails if the open watch holds it.
    endless = {"echo_stalling_every": 1, "silent_seconds": 60, "drain_seconds": 60}
    async with running(settings.model_copy(update=endless)) as (runtime, channel):
        call = inference_pb2_grpc.InferenceServiceStub(channel).Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        closing = asyncio.create_task(runtime.close())
        assert (await watch.read()).status == NOT_SERVING
        async with connection_of_its_own(settings.grpc_address) as late:
            async with asyncio.timeout(SECONDS):
                await late.channel_ready()
            assert await liveness(late) == SERVING
            assert await readiness(late) == NOT_SERVING
            stub = inference_pb2_grpc.InferenceServiceStub(late)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rest_of(stub.Generate(QUESTION, timeout=SECONDS))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        refusal = from_rpc_error(caught.value, "inference")
        assert (refusal.reason, refusal.retry_after_seconds) == (Reason.NOT_SERVING, 1)
        assert not closing.done()
        call.cancel()
        await closing
        assert not runtime.failed


async def test_an_answer_that_does_not_fit_is_cut_when_the_drain_is_over(
    settings: InferenceSettings,
) -> None:
    stalling = {"echo_stalling_every": 1, "drain_seconds": 0.2}
    async with running(settings.model_copy(update=stalling)) as (runtime, channel):
        call = inference_pb2_grpc.InferenceServiceStub(channel).Generate(QUESTION, timeout=60)
        assert (await call.read()).WhichOneof("event") == "started"
        closing = asyncio.create_task(runtime.close())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rest_of(call)
        error = from_rpc_error(caught.value, "inference")
        assert error.reason is Reason.DEPENDENCY_UNAVAILABLE
        await closing
        assert not runtime.failed


async def test_the_model_is_there_before_readiness_and_goes_after_the_last_answer(
    settings: InferenceSettings,
) -> None:
    model = prepared_model()
    # one thread, for two that look for each other (`spins`) crawl where others want the cores too
    real = {"engine": "llamacpp", "model_path": model, "slots": 1, "threads": 1}
    patient = {"silent_seconds": 60, "drain_seconds": 13}
    async with running(settings.model_copy(update={**real, **patient})) as (
        runtime,
        channel,
    ):
        assert is_in_memory(model)
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        # long enough to see the drain begin before it ends
        sampling = pb.SamplingParameters(max_tokens=100, temperature=0)
        call = stub.Generate(
            pb.GenerateRequest(
                request_id="r",
                organization_id="o",
                model="echo",
                prompt="One, two, three,",
                sampling=sampling,
            ),
            timeout=60,
        )
        assert (await call.read()).WhichOneof("event") == "started"
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        closing = asyncio.create_task(runtime.close())
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()
        assert is_in_memory(model)
        assert (await rest_of(call))[-1].WhichOneof("event") == "finished"
        await closing
        assert not is_in_memory(model)


def is_in_memory(file: Path) -> bool:
    """Whether this process has the file mapped."""
    return str(file) in Path("/proc/self/maps").read_text()
