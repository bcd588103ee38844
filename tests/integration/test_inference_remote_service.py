"""The service before a remote that goes and comes: ready while it is there, alive always."""

import asyncio
from urllib.parse import urlsplit

import grpc
import pytest
from tests.stack.inference_service import NOT_SERVING, SECONDS, SERVING, liveness, running, until
from tests.stack.llama_server import CONTEXT_TOKENS, KEY, MODEL, SLOTS, running_llama_server

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.testing.proxy import proxying
from headrace_inference.settings import InferenceSettings

QUESTION = pb.GenerateRequest(
    request_id="r",
    organization_id="o",
    model="ours",
    chat=pb.ChatInput(messages=[pb.ChatMessage(role="user", content="Count to ten.")]),
    sampling=pb.SamplingParameters(max_tokens=6, temperature=0),
)


@pytest.mark.parametrize("kind", ["openai", "llamacpp"])
async def test_the_service_follows_its_remote(kind: str, free_port: int) -> None:
    with running_llama_server() as address:
        url = urlsplit(address)
        async with proxying(lambda: asyncio.open_connection(url.hostname, url.port)) as proxy:
            settings = InferenceSettings.model_validate(
                {
                    "engine": "openai",
                    "model_id": "ours",
                    "slots": SLOTS,
                    "context_tokens": CONTEXT_TOKENS,
                    "remote_url": f"http://127.0.0.1:{proxy.port}/v1",
                    "remote_model": MODEL,
                    "remote_kind": kind,
                    "remote_api_key": KEY,
                    "grpc_address": f"127.0.0.1:{free_port}",
                    "metrics_address": "127.0.0.1:0",
                }
            )
            async with running(settings) as (_, channel):
                await expect_an_answer(channel)
                proxy.cut()
                await until(channel, NOT_SERVING)
                assert await liveness(channel) == SERVING
                proxy.restore()
                await until(channel, SERVING)
                await expect_an_answer(channel)


async def expect_an_answer(channel: grpc.aio.Channel) -> None:
    """The prompt is counted exactly in the end, whether the remote tells it before or after."""
    stub = inference_pb2_grpc.InferenceServiceStub(channel)
    messages = [message async for message in stub.Generate(QUESTION, timeout=SECONDS)]
    finished = messages[-1].finished
    assert (finished.prompt_tokens, finished.completion_tokens) == (13, 6)
    assert finished.finish_reasons == [pb.FINISH_REASON_LENGTH]
