"""From the domain's answers to the proto's."""

from collections.abc import Mapping
from types import MappingProxyType

from headrace.gateway.v1 import gateway_pb2 as pb
from headrace_gateway.domain.completion import (
    AnswerSignature,
    Delta,
    Event,
    Finished,
    FinishReason,
    ModelCard,
    ModelVersion,
    Started,
    TokenLogprob,
)
from headrace_gateway.domain.embedding import Embeddings
from headrace_gateway.grpc.requests import field_name

FINISH_REASONS: Mapping[FinishReason, pb.FinishReason] = MappingProxyType(
    {
        "stop": pb.FINISH_REASON_STOP,
        "length": pb.FINISH_REASON_LENGTH,
        "tool_calls": pb.FINISH_REASON_TOOL_CALLS,
        "content_filter": pb.FINISH_REASON_CONTENT_FILTER,
    }
)


def complete_response(event: Event) -> pb.CompleteResponse:
    """One message of the stream."""
    match event:
        case Started():
            started = pb.Started(model=_version(event.model), prompt_tokens=event.prompt_tokens)
            started.queue_time.FromNanoseconds(round(event.queue_seconds * 1e9))
            return pb.CompleteResponse(started=started)
        case Delta():
            return pb.CompleteResponse(delta=_delta(event))
        case Finished():
            finished = pb.Finished(
                model=_version(event.model),
                finish_reasons=[FINISH_REASONS[reason] for reason in event.finish_reasons],
                prompt_tokens=event.prompt_tokens,
                completion_tokens=event.completion_tokens,
                signature=_signature(event.signature),
            )
            return pb.CompleteResponse(finished=finished)


def embed_response(embeddings: Embeddings) -> pb.EmbedResponse:
    """The vectors."""
    return pb.EmbedResponse(
        model=_version(embeddings.model),
        vectors=embeddings.vectors,
        prompt_tokens=embeddings.prompt_tokens,
    )


def model(card: ModelCard) -> pb.Model:
    """One model on offer."""
    return pb.Model(
        version=_version(card.model),
        context_tokens=card.context_tokens,
        loaded_at_seconds=card.loaded_at_seconds,
        generates=card.capabilities.generates,
        parameters=map(field_name, card.capabilities.parameters),
        embedding_dimensions=card.capabilities.embedding_dimensions,
    )


def _version(version: ModelVersion) -> pb.ModelVersion:
    return pb.ModelVersion(id=version.id, version=version.version)


def _delta(delta: Delta) -> pb.Delta:
    calls = [
        pb.ToolCallPart(index=part.index, id=part.id, name=part.name, arguments_json=part.arguments)
        for part in delta.tool_calls
    ]
    logprobs = [_logprob(entry) for entry in delta.logprobs]
    return pb.Delta(choice=delta.choice, text=delta.text, logprobs=logprobs, tool_calls=calls)


def _logprob(entry: TokenLogprob) -> pb.TokenLogprob:
    return pb.TokenLogprob(
        token=entry.token,
        logprob=entry.logprob,
        token_bytes=entry.token_bytes,
        top=[_logprob(rival) for rival in entry.top],
    )


def _signature(signature: AnswerSignature | None) -> pb.AnswerSignature | None:
    if signature is None:
        return None
    return pb.AnswerSignature(statement=signature.statement, certificate=signature.certificate)
