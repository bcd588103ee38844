"""Between the proto's messages and the domain's objects."""

import sys
from array import array
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from headrace.inference.v1 import inference_pb2 as pb
from headrace_common.proto_enums import from_proto, to_proto
from headrace_inference.domain.embeddings import Embeddings
from headrace_inference.domain.events import (
    Answer,
    AnswerSignature,
    Delta,
    Started,
    TokenLogprob,
)
from headrace_inference.domain.load import LoadReport
from headrace_inference.domain.models import EngineInfo, ModelVersion
from headrace_inference.domain.requests import (
    EmbeddingRequest,
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    Regex,
    ResponseFormat,
    Sampling,
    Tool,
    ToolCall,
)
from headrace_inference.domain.waiting_line import Priority
from headrace_inference.ports import AnswerKey


def generation_request(message: pb.GenerateRequest) -> GenerationRequest:
    """What a GenerateRequest asks for; raises INVALID_FIELD for an unknown priority."""
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
        tools=tuple(
            Tool(tool.name, tool.description, tool.parameters_schema_json) for tool in message.tools
        ),
        tool_choice=message.tool_choice,
        single_tool_call=message.single_tool_call,
    )


def embedding_request(message: pb.EmbedRequest) -> EmbeddingRequest:
    """What an EmbedRequest asks for; raises INVALID_FIELD for an unknown priority."""
    return EmbeddingRequest(
        request_id=message.request_id,
        organization_id=message.organization_id,
        model=message.model,
        texts=tuple(message.texts),
        dimensions=message.dimensions if message.HasField("dimensions") else None,
        priority=from_proto(Priority, pb.Priority, message.priority) or Priority.INTERACTIVE,
    )


def embed_response(embeddings: Embeddings) -> pb.EmbedResponse:
    """The vectors as the proto packs them."""
    return pb.EmbedResponse(
        model=model_version(embeddings.model),
        vectors=map(_packed, embeddings.vectors),
        prompt_tokens=embeddings.prompt_tokens,
        queue_time=_duration(embeddings.queue_seconds),
        engine_time=_duration(embeddings.engine_seconds),
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
        delta.tool_calls.extend(
            pb.ToolCallPart(
                index=part.index, id=part.id, name=part.name, arguments_json=part.arguments
            )
            for part in answer.tool_calls
        )
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
        signature=_signature(answer.signature),
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
        capabilities=pb.Capabilities(
            generates=engine.capabilities.generates,
            tokenizes=engine.capabilities.tokenizes,
            parameters=sorted(engine.capabilities.features),
            embedding_dimensions=engine.capabilities.embedding_dimensions or 0,
        ),
    )


def answer_key(key: AnswerKey) -> pb.AnswerKey:
    """One of ListModels' keys."""
    return pb.AnswerKey(kid=key.kid, public_key=key.public_key)


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
    return tuple(_message(message) for message in chat.messages)


def _message(message: pb.ChatMessage) -> Message:
    calls = (ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls)
    return Message(message.role, message.content, message.name, message.tool_call_id, tuple(calls))


def _sampling(message: pb.SamplingParameters) -> Sampling:
    given: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    given["stop"] = tuple(message.stop)
    given["logit_bias"] = dict(message.logit_bias)
    return Sampling(**given)


def _response_format(message: pb.ResponseFormat) -> ResponseFormat | None:
    match message.WhichOneof("format"):
        case "json_object":
            return JsonObject()
        case "json_schema":
            return JsonSchema(message.json_schema.schema_json)
        case "regex":
            return Regex(message.regex.pattern)
        case "grammar":
            return Grammar(message.grammar.lark)
        case _:
            return None


def _signature(signature: AnswerSignature | None) -> pb.AnswerSignature | None:
    if signature is None:
        return None
    return pb.AnswerSignature(statement=signature.statement, certificate=signature.certificate)


def _logprob(entry: TokenLogprob) -> pb.TokenLogprob:
    return pb.TokenLogprob(
        token=entry.token,
        logprob=entry.logprob,
        token_bytes=entry.token_bytes,
        top=[_logprob(other) for other in entry.top],
    )


def _packed(vector: Sequence[float]) -> bytes:
    floats = vector if isinstance(vector, array) else array("f", vector)
    if sys.byteorder == "big":
        floats = floats[:]
        floats.byteswap()
    return floats.tobytes()


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
