"""One inference server as the gateway sees it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing

import grpc

from headrace.inference.v1 import inference_pb2, inference_pb2_grpc
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.grpc_interceptors import REQUEST_ID_KEY
from headrace_common.grpc_streams import read_batches
from headrace_gateway.adapters.embeddings_grpc import embed
from headrace_gateway.domain.answer_keys import AnswerKey
from headrace_gateway.domain.completion import (
    AnswerSignature,
    Capabilities,
    CompletionRequest,
    Delta,
    Event,
    Events,
    Finished,
    FinishReason,
    Message,
    ModelCard,
    ModelVersion,
    Priority,
    Sampling,
    Started,
    TokenLogprob,
    ToolCallPart,
)
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings
from headrace_gateway.domain.routes import COHORT_HEADER

ASK_SECONDS = 2.0
"""For what a server tells of itself."""

BEFORE_STALLS = 2
"""`started` and the first piece of text: until then a long prompt may be read in silence."""
SMALLEST_TOP_P = 1e-9
"""What 0 means to callers, the likeliest token alone; the proto wants it above 0."""

PUBLIC_NAMES = {"choices": "n"}
PRIORITIES: dict[Priority, inference_pb2.Priority] = {
    "interactive": inference_pb2.PRIORITY_INTERACTIVE,
    "batch": inference_pb2.PRIORITY_BATCH,
}
FINISH_REASONS: dict[int, FinishReason] = {
    inference_pb2.FINISH_REASON_STOP: "stop",
    inference_pb2.FINISH_REASON_LENGTH: "length",
    inference_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


class GrpcInferenceTarget:
    """InferenceTarget over gRPC."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        generation_seconds: float,
        stall_seconds: float | None = None,
        cohort: str = "",
    ) -> None:
        """`stall_seconds` bounds silence in the middle of an answer; calls carry the cohort."""
        self._channel = channel
        self._stub = inference_pb2_grpc.InferenceServiceStub(channel)
        self._generation_seconds = generation_seconds
        self._stall_seconds = stall_seconds
        self._metadata = ((COHORT_HEADER, cohort),) if cohort else ()

    async def generate(self, request_id: str, tenant: str, request: CompletionRequest) -> Events:
        """Stream one answer; leaving the generator cancels the call and so the engine's work."""
        call = self._stub.Generate(
            _generate_request(request_id, tenant, request),
            timeout=self._generation_seconds,
            metadata=((REQUEST_ID_KEY, request_id), *self._metadata),
        )
        finished = False
        try:
            with translate_rpc_errors("inference"):
                batches = read_batches(
                    call, stall_seconds=self._stall_seconds, stall_after=BEFORE_STALLS
                )
                async with aclosing(batches):
                    async for messages in batches:
                        for event in _join_deltas(_events(messages)):
                            finished = isinstance(event, Finished)
                            yield event
        except TimeoutError as error:
            raise HeadraceError(
                Reason.DEPENDENCY_UNAVAILABLE,
                "The inference service fell silent in the middle of the answer.",
            ) from error
        except HeadraceError as error:
            _use_public_name(error, request)
            raise
        if not finished:
            raise HeadraceError(Reason.ENGINE_FAILED, "The answer ended before it was complete.")

    async def embed(self, request_id: str, tenant: str, request: EmbeddingRequest) -> Embeddings:
        return await embed(
            self._stub,
            request_id,
            tenant,
            request,
            seconds=self._generation_seconds,
            metadata=self._metadata,
        )

    async def models(self) -> Sequence[ModelCard]:
        with translate_rpc_errors("inference"):
            response = await self._stub.ListModels(
                inference_pb2.ListModelsRequest(), timeout=ASK_SECONDS, metadata=self._metadata
            )
        keys = tuple(AnswerKey(key.kid, key.public_key) for key in response.answer_keys)
        return [_card(model, keys) for model in response.models]

    async def load(self) -> float:
        with translate_rpc_errors("inference"):
            report = await self._stub.GetLoad(
                inference_pb2.GetLoadRequest(), timeout=ASK_SECONDS, metadata=self._metadata
            )
        return float(report.saturation)

    async def close(self) -> None:
        await self._channel.close()


def _card(model: inference_pb2.ModelInfo, keys: tuple[AnswerKey, ...]) -> ModelCard:
    told = model.capabilities
    parameters = (PUBLIC_NAMES.get(name, name) for name in told.parameters)
    capabilities = Capabilities(
        told.generates, tuple(sorted(parameters)), told.embedding_dimensions or None
    )
    return ModelCard(
        _model(model.model), model.context_tokens, model.loaded_at_seconds, keys, capabilities
    )


def _use_public_name(error: HeadraceError, request: CompletionRequest) -> None:
    """Name a field as callers know it, not as the proto does."""
    if error.param == "prompt":  # the message speaks of a prompt in either case
        error.param = request.input_name
    elif error.param in PUBLIC_NAMES:
        error.rename_param(PUBLIC_NAMES[error.param])


def _join_deltas(events: Iterable[Event]) -> Iterator[Event]:
    """Deltas that are ready together pass as one, so that a busy gateway has less to do."""
    waiting: Delta | None = None
    for event in events:
        if waiting and isinstance(event, Delta) and event.choice == waiting.choice:
            waiting = waiting.join(event)
            continue
        if waiting:
            yield waiting
        waiting = event if isinstance(event, Delta) else None
        if waiting is None:
            yield event
    if waiting:
        yield waiting


def _events(messages: Iterable[inference_pb2.GenerateResponse]) -> Iterator[Event]:
    for message in messages:
        match message.WhichOneof("event"):
            case "started":
                started = message.started
                seconds = started.queue_time.ToTimedelta().total_seconds()
                yield Started(_model(started.model), seconds, started.prompt_tokens)
            case "delta":
                delta = message.delta
                logprobs = tuple(_logprob(entry) for entry in delta.logprobs)
                calls = tuple(
                    ToolCallPart(part.index, part.arguments_json, part.id, part.name)
                    for part in delta.tool_calls
                )
                yield Delta(delta.choice, delta.text, delta.tokens, logprobs, calls)
            case "finished":
                yield _finished(message.finished)


def _finished(message: inference_pb2.Finished) -> Finished:
    signature = None
    if message.HasField("signature"):
        signed = message.signature
        signature = AnswerSignature(signed.statement, signed.certificate)
    return Finished(
        model=_model(message.model),
        finish_reasons=tuple(_finish_reason(reason) for reason in message.finish_reasons),
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        signature=signature,
    )


def _finish_reason(value: int) -> FinishReason:
    reason = FINISH_REASONS.get(value)
    if reason is None:  # a newer server's, or none at all
        raise HeadraceError(Reason.ENGINE_FAILED, "The answer ended for an unknown reason.")
    return reason


def _model(message: inference_pb2.ModelVersion) -> ModelVersion:
    return ModelVersion(message.id, message.version)


def _logprob(message: inference_pb2.TokenLogprob) -> TokenLogprob:
    top = tuple(_logprob(entry) for entry in message.top)
    return TokenLogprob(message.token, message.logprob, message.token_bytes, top)


def _generate_request(
    request_id: str, tenant: str, request: CompletionRequest
) -> inference_pb2.GenerateRequest:
    message = inference_pb2.GenerateRequest(
        request_id=request_id,
        model=request.model,
        organization_id=tenant,
        sampling=_sampling(request.sampling),
        tools=[
            inference_pb2.Tool(
                name=tool.name,
                description=tool.description,
                parameters_schema_json=tool.parameters_schema_json,
            )
            for tool in request.tools
        ],
        tool_choice=request.tool_choice,
        single_tool_call=request.single_tool_call,
        priority=PRIORITIES[request.priority],
    )
    if isinstance(request.input, str):
        message.prompt = request.input
    else:
        message.chat.messages.extend(_message(turn) for turn in request.input)
    if request.response_format is not None:
        schema = request.response_format.schema_json
        if schema is None:
            message.response_format.json_object.SetInParent()
        else:
            message.response_format.json_schema.schema_json = schema
    return message


def _message(turn: Message) -> inference_pb2.ChatMessage:
    return inference_pb2.ChatMessage(
        role=turn.role,
        content=turn.content,
        name=turn.name or "",
        tool_call_id=turn.tool_call_id or "",
        tool_calls=[
            inference_pb2.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments)
            for call in turn.tool_calls
        ],
    )


def _sampling(sampling: Sampling) -> inference_pb2.SamplingParameters:
    return inference_pb2.SamplingParameters(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=None if sampling.top_p is None else max(sampling.top_p, SMALLEST_TOP_P),
        seed=sampling.seed,
        stop=sampling.stop,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        logit_bias=dict(sampling.logit_bias),
        choices=sampling.choices,
        top_logprobs=sampling.top_logprobs,
    )
