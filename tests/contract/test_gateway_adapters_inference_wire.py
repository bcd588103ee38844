"""The gateway's GrpcInferenceTarget against servers that say what no engine of ours says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from headrace.inference.v1 import inference_pb2 as pb
from headrace.inference.v1 import inference_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_server import Registration
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.inference_grpc import GrpcInferenceTarget
from headrace_gateway.domain.completion import (
    CompletionRequest,
    Delta,
    Event,
    Finished,
    Message,
    ModelVersion,
    Started,
    Tool,
    ToolCall,
    ToolCallPart,
)

REQUEST = CompletionRequest("echo", "one two")
STARTED = pb.GenerateResponse(
    started=pb.Started(
        model=pb.ModelVersion(id="echo", version="v1"),
        queue_time=Duration(seconds=1, nanos=500_000_000),
        prompt_tokens=3,
    )
)
DELTA = pb.GenerateResponse(delta=pb.Delta(text="a", tokens=1))


class ScriptedServicer(inference_pb2_grpc.InferenceServiceServicer):
    """An InferenceService that keeps no promise but to send these messages."""

    def __init__(self, *script: pb.GenerateResponse) -> None:
        self._script = script
        self.request: pb.GenerateRequest | None = None
        self.metadata: dict[str, str] = {}

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        self.request, self.metadata = request, dict(context.invocation_metadata())
        for message in self._script:
            yield message


@asynccontextmanager
async def scripted(servicer: ScriptedServicer) -> AsyncIterator[GrpcInferenceTarget]:
    registration = Registration(
        "headrace.inference.v1.InferenceService",
        inference_pb2_grpc.add_InferenceServiceServicer_to_server,
        servicer,
    )
    async with serving([registration]) as channel:
        yield GrpcInferenceTarget(channel, generation_seconds=5)


async def collect(target: GrpcInferenceTarget, request: CompletionRequest) -> list[Event]:
    return [event async for event in target.generate("req_1", "org_1", request)]


async def refusal(target: GrpcInferenceTarget, request: CompletionRequest) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await collect(target, request)
    return caught.value


async def test_tools_and_names_are_written_and_the_call_carries_its_request_id() -> None:
    servicer = ScriptedServicer(pb.GenerateResponse(finished=pb.Finished()))
    wanted = CompletionRequest(
        "echo",
        (
            Message("assistant", "", tool_calls=(ToolCall("call_1", "add", "{}"),)),
            Message("tool", "4", name="adder", tool_call_id="call_1"),
        ),
        tools=(Tool("add", "Adds.", "{}"),),
        tool_choice="add",
        single_tool_call=True,
    )
    async with scripted(servicer) as target:
        await collect(target, wanted)
    assert servicer.metadata["x-request-id"] == "req_1"
    assert servicer.request is not None
    (asked, message), (tool,) = servicer.request.chat.messages, servicer.request.tools
    (call,) = asked.tool_calls
    assert (call.id, call.name, call.arguments_json) == ("call_1", "add", "{}")
    assert (message.role, message.content) == ("tool", "4")
    assert (message.name, message.tool_call_id) == ("adder", "call_1")
    assert (tool.name, tool.description, tool.parameters_schema_json) == ("add", "Adds.", "{}")
    assert servicer.request.tool_choice == "add"
    assert servicer.request.single_tool_call


async def test_calls_of_tools_are_read_piece_by_piece_and_join() -> None:
    parts = (
        pb.ToolCallPart(index=0, id="call_1", name="add", arguments_json='{"a"'),
        pb.ToolCallPart(index=0, arguments_json=": 1}"),
    )
    deltas = [pb.GenerateResponse(delta=pb.Delta(tokens=2, tool_calls=[part])) for part in parts]
    finished = pb.Finished(finish_reasons=[pb.FINISH_REASON_TOOL_CALLS])
    servicer = ScriptedServicer(STARTED, *deltas, pb.GenerateResponse(finished=finished))
    async with scripted(servicer) as target:
        got = [event for event in await collect(target, REQUEST) if isinstance(event, Delta)]
    assert [part for delta in got for part in delta.tool_calls] == [
        ToolCallPart(0, '{"a"', "call_1", "add"),
        ToolCallPart(0, ": 1}"),
    ]
    assert sum(delta.tokens for delta in got) == 4


async def test_times_and_reasons_that_no_engine_here_gives_yet() -> None:
    model = pb.ModelVersion(id="echo", version="v1")
    reasons = [pb.FINISH_REASON_TOOL_CALLS, pb.FINISH_REASON_STOP]
    finished = pb.Finished(
        model=model, finish_reasons=reasons, prompt_tokens=3, completion_tokens=4
    )
    servicer = ScriptedServicer(STARTED, pb.GenerateResponse(finished=finished))
    async with scripted(servicer) as target:
        got = await collect(target, REQUEST)
    v1 = ModelVersion("echo", "v1")
    assert got == [Started(v1, 1.5, 3), Finished(v1, ("tool_calls", "stop"), 3, 4)]


@pytest.mark.parametrize("script", [(), (STARTED,), (STARTED, DELTA)], ids=len)
async def test_a_stream_that_ends_before_its_answer_is_a_failure(
    script: tuple[pb.GenerateResponse, ...],
) -> None:
    async with scripted(ScriptedServicer(*script)) as target:
        assert (await refusal(target, REQUEST)).reason is Reason.ENGINE_FAILED


@pytest.mark.parametrize("reason", [pb.FINISH_REASON_UNSPECIFIED, 99])
async def test_a_finish_reason_from_the_future_is_a_failure(reason: Any) -> None:
    finished = pb.Finished(finish_reasons=[pb.FINISH_REASON_STOP, reason])
    servicer = ScriptedServicer(STARTED, pb.GenerateResponse(finished=finished))
    async with scripted(servicer) as target:
        assert (await refusal(target, REQUEST)).reason is Reason.ENGINE_FAILED
