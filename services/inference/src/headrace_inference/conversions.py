"""Between the proto's messages and the domain's objects."""

from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from headrace.inference.v1 import inference_pb2 as pb
from headrace_common.errors import HeadraceError, Reason
from headrace_common.proto_enums import from_proto, to_proto
from headrace_inference.domain.events import (
    Answer,
    Delta,
    Started,
    TokenLogprob,
)
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.models import EngineInfo, ModelVersion
from headrace_inference.domain.requests import (
    GenerationRequest,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    ResponseFormat,
    Sampling,
)
from headrace_inference.domain.waiting_line import Priority


def generation_request(message: pb.GenerateRequest) -> GenerationRequest:
    """Raises UNSUPPORTED_PARAMETER for tools, which no engine of this service can call yet."""
    _refuse(bool(message.tools), "tools")
    _refuse(message.tool_choice not in ("", "none", "auto"), "tool_choice")
    prompt: Prompt = message.prompt
    if message.WhichOneof("input") == "chat":
        prompt = _messages(message.chat)
    return GenerationRequest(
        request_id=message.request_id,
        organization_id=message.organization_id,
        model=message.model,
        prompt=prompt,
        sampling=_sampling(message.sampling),
        response_format=_response_format(message.response_format),
        priority=from_proto(Priority, pb.Priority, message.priority) or Priority.INTERACTIVE,
    )


def text_or_chat(message: pb.TokenizeRequest) -> Prompt:
    """What a TokenizeRequest wants counted."""
    is_chat = message.WhichOneof("input") == "chat"
    return _messages(message.chat) if is_chat else message.text


def generate_response(answer: Answer) -> pb.GenerateResponse:
    """One message of the stream."""
    if isinstance(answer, Delta):
        delta = pb.Delta(choice=answer.choice, text=answer.text, tokens=answer.tokens)
        delta.logprobs.extend(_logprob(entry) for entry in answer.logprobs)
        return pb.GenerateResponse(delta=delta)
    model = model_version(answer.model)
    if isinstance(answer, Started):
        started = pb.Started(
            model=model,
            queue_time=_duration(answer.queue_seconds),
            prompt_tokens=answer.prompt_tokens,
        )
        return pb.GenerateResponse(started=started)
    timings = pb.Timings(
        queue=_duration(answer.timings.queue),
        first_token=_duration(answer.timings.first_token),
        decode=_duration(answer.timings.decode),
    )
    finished = pb.Finished(
        model=model,
        finish_reasons=[to_proto(pb.FinishReason, reason) for reason in answer.reasons],
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        timings=timings,
    )
    return pb.GenerateResponse(finished=finished)


def model_version(model: ModelVersion) -> pb.ModelVersion:
    """Id, version and digest."""
    return pb.ModelVersion(id=model.id, version=model.version, digest=model.digest)


def model_info(model: ModelVersion, engine: EngineInfo) -> pb.ModelInfo:
    """One entry of ListModels."""
    return pb.ModelInfo(
        model=model_version(model),
        engine=engine.engine,
        context_tokens=engine.context_tokens,
        loaded_at_seconds=int(engine.loaded_at.timestamp()),
    )


def load_response(load: LoadReport) -> pb.GetLoadResponse:
    """How busy the server is."""
    return pb.GetLoadResponse(
        slots=load.slots,
        running_requests=load.running_requests,
        running_slots=load.running_slots,
        waiting_requests=load.waiting_requests,
        waiting_slots=load.waiting_slots,
        waiting_tokens=load.waiting_tokens,
        tokens_in_flight=load.tokens_in_flight,
        tokens_per_second=load.tokens_per_second,
        saturation=load.saturation,
    )


def _messages(chat: pb.ChatInput) -> tuple[Message, ...]:
    for index, message in enumerate(chat.messages):
        _refuse(bool(message.tool_calls), f"messages[{index}].tool_calls")
        if message.name:
            param = f"messages[{index}].name"
            sorry = f"{param}: this model's template knows no names"
            raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, sorry, param=param)
    return tuple(Message(m.role, m.content) for m in chat.messages)


def _sampling(message: pb.SamplingParameters) -> Sampling:
    given: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    given["stop"] = tuple(message.stop)
    given["logit_bias"] = dict(message.logit_bias)
    return Sampling(**given)


def _response_format(message: pb.ResponseFormat) -> ResponseFormat | None:
    form = message.WhichOneof("format")
    if form == "json_schema":
        return JsonSchema(message.json_schema.schema_json)
    return JsonObject() if form == "json_object" else None


def _logprob(entry: TokenLogprob) -> pb.TokenLogprob:
    return pb.TokenLogprob(
        token=entry.token,
        logprob=entry.logprob,
        token_bytes=entry.token_bytes,
        top=[_logprob(other) for other in entry.top],
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def _refuse(present: bool, param: str) -> None:
    if present:
        message = f"{param}: this model cannot call tools"
        raise HeadraceError(Reason.UNSUPPORTED_PARAMETER, message, param=param)
