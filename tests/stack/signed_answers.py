"""The verifier of signed answers as docs prints it, and a gateway that passes them on."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry
from tests.stack.completions import CHAT

from headrace_common.clock import SystemClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.testing.gateway import running_gateway
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.app import build
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.models import EngineInfo
from headrace_inference.servicer import InferenceServicer
from headrace_inference.settings import InferenceSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "signed-answers.md"
KEYS = "/.well-known/headrace-answer-keys.json"
Json = dict[str, Any]
Verify = Callable[[Json, Json, Json], Json]
SEED = "a" * 43 + "="
OTHER_SEED = "b" * 42 + "I="
PLAIN: Json = {
    "model": "echo",
    "messages": [{"role": "user", "content": "one \U0001f600 é"}],
}
TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}
SCHEMA = {"type": "object", "properties": {"é": {"minimum": 0.5}, "a": {"minimum": 1e-7}}}
FULL: Json = {
    **PLAIN,
    "messages": [
        {
            "role": "system",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {"role": "tool", "content": "4", "tool_call_id": "call_1"},
        {"role": "user", "content": "one two three", "name": "ann"},
    ],
    "max_completion_tokens": 2,
    "temperature": 0.7,
    "top_p": 0.9,
    "seed": -(2**63),
    "stop": "never",
    "frequency_penalty": 0.1,
    "presence_penalty": -1,
    "logit_bias": {"7": 1, "0012": -0.5},
    "n": 2,
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    "tools": [{"type": "function", "function": {**TOOL, "description": "Adds."}}],
    "tool_choice": {"type": "function", "function": {"name": "add"}},
    "user": "ann",
}
TEXT = {"model": "echo", "prompt": "one two", "stop": ["x", "y"], "logprobs": 0}


def documented_verifier() -> Verify:
    """Its `verify(request, answer, keys)`."""
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    names: Json = {}
    exec(compile(snippet, str(DOCUMENT), "exec"), names)
    verify: Verify = names["verify"]
    return verify


class ObligingEngine(EchoEngine):
    """An echo that is said to honour every parameter."""

    @property
    def info(self) -> EngineInfo:
        return replace(super().info, capabilities=Capabilities(frozenset(Feature)))


@asynccontextmanager
async def signing_gateway(
    keys: str | None = SEED, engine: type[EchoEngine] = ObligingEngine
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of an engine whose answers are signed with `keys`."""
    settings = InferenceSettings.model_validate(
        {"engine": "echo", "model_id": "echo", "answer_signing_keys": keys}
    )
    clock = SystemClock()
    running = engine(clock, slots=8, context_tokens=64)
    await running.start()
    use_cases = build(settings, engine=running, registry=CollectorRegistry(), clock=clock)
    servicer = InferenceServicer(use_cases)
    async with serving([servicer.registration()]) as channel:
        target = GrpcInferenceTarget(channel, generation_seconds=10)
        async with running_gateway(target) as gateway:
            yield gateway.client


async def ask(client: httpx.AsyncClient, body: Json) -> Json:
    path = CHAT if "messages" in body else "/v1/completions"
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


async def published(client: httpx.AsyncClient) -> Json:
    keys: Json = (await client.get(KEYS)).json()
    return keys
