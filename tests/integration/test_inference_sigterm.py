"""SIGTERM to an inference process in the middle of an answer: the answer ends, then the process."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from tests.stack.inference_service import rest_of, text_of

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.grpc_client import create_channel
from headrace_inference.testing import prepared_model

SECONDS = 60
ENGINES = {
    "echo": {"ENGINE": "echo", "ECHO_TOKEN_SECONDS": "0.1"},
    "llamacpp": {"ENGINE": "llamacpp", "THREADS": "1"},
}
QUESTION = pb.GenerateRequest(
    request_id="r",
    organization_id="o",
    model="m",
    prompt="One, two, three, four, five, six, seven, eight, nine, ten,",
    sampling=pb.SamplingParameters(max_tokens=50, temperature=0),
)
"""Answered within a second or two by either engine, and always in the same words."""


@asynccontextmanager
async def started_process(address: str, settings: Mapping[str, str]) -> AsyncIterator[Process]:
    """`python -m headrace_inference` once it is ready; it is killed if it runs at the end."""
    named = {
        "MODEL_ID": "m",
        "MODEL_PATH": str(prepared_model()),
        "GRPC_ADDRESS": address,
        "METRICS_ADDRESS": "127.0.0.1:0",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headrace_inference"),
        env={**os.environ, **{f"HEADRACE_INFERENCE_{name}": named[name] for name in named}},
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            await process.stdout.readuntil(b'"ready"')
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_answer_ends_whole_and_then_the_process(engine: str, free_port: int) -> None:
    address = f"127.0.0.1:{free_port}"
    async with (
        started_process(address, ENGINES[engine]) as process,
        create_channel(address) as channel,
        asyncio.timeout(SECONDS),
    ):
        stub = inference_pb2_grpc.InferenceServiceStub(channel)
        undisturbed = text_of(await rest_of(stub.Generate(QUESTION, timeout=SECONDS)))
        call = stub.Generate(QUESTION, timeout=SECONDS)
        assert (await call.read()).WhichOneof("event") == "started"
        process.terminate()
        messages = await rest_of(call)
        output, _ = await process.communicate()
    assert text_of(messages) == undisturbed
    assert undisturbed
    assert messages[-1].WhichOneof("event") == "finished"
    assert process.returncode == 0
    # the signal was heard before the answer ended
    assert output.index(b'"stopping"') < output.rindex(b"InferenceService/Generate")
