"""Answers as OpenAI's endpoints give them: whole bodies, and the events of a stream."""

import orjson

from headrace_gateway.domain.completion import (
    Answer,
    AnswerSignature,
    Delta,
    Event,
    Finished,
    ModelCard,
    Started,
)
from headrace_gateway.http.openai_shapes import Json, Shape


class AnswerWriter:
    """Writes one answer in one shape."""

    def __init__(
        self,
        shape: Shape,
        request_id: str,
        created: int,
        *,
        choices: int,
        include_usage: bool,
        service_tier: str | None = None,
    ) -> None:
        """`service_tier` is told to callers who asked for one."""
        self._shape = shape
        self._id = shape.prefix + request_id
        self._created = created
        self._choices = choices
        self._include_usage = include_usage
        self._tier = {} if service_tier is None else {"service_tier": service_tier}
        self._model = ""
        self._fingerprint = ""

    def body(self, answer: Answer, signature: AnswerSignature | None, cut_by: str = "") -> bytes:
        """The whole answer."""
        self._remember(answer.model.id, answer.model.version)
        choices = [self._shape.choice(i, choice) for i, choice in enumerate(answer.choices)]
        usage = _usage(answer.prompt_tokens, answer.completion_tokens)
        envelope = self._envelope(self._shape.object, choices)
        return orjson.dumps({**envelope, "usage": usage, **self._extension(signature, cut_by)})

    def chunks(self, event: Event) -> bytes:
        """The server-sent events that one event of the answer becomes."""
        match event:
            case Started():
                self._remember(event.model.id, event.model.version)
                openings = (self._shape.opening(index) for index in range(self._choices))
                return b"".join(_sse(self._chunk([choice])) for choice in openings if choice)
            case Delta():
                return _sse(self._chunk([self._shape.piece(event)]))
            case Finished():
                return b"".join(_sse(chunk) for chunk in self._last_chunks(event))

    def trace(self, trace: Json) -> bytes:
        """What there is to tell of how a stream came to be, once it has ended."""
        return _sse({**self._chunk([]), "headrace": {"trace": trace}})

    def _last_chunks(self, event: Finished) -> list[Json]:
        """One for each choice's end, then the usage if it is wanted; the last has our extension."""
        reasons = enumerate(event.finish_reasons)
        chunks = [self._chunk([self._shape.ending(index, reason)]) for index, reason in reasons]
        if self._include_usage:
            usage = _usage(event.prompt_tokens, event.completion_tokens)
            chunks.append({**self._chunk([]), "usage": usage})
        if chunks:
            chunks[-1] |= self._extension(event.signature, event.cut_by)
        return chunks

    def _chunk(self, choices: list[Json]) -> Json:
        envelope = self._envelope(self._shape.chunk_object, choices)
        if self._include_usage:
            envelope["usage"] = None
        return envelope

    def _envelope(self, kind: str, choices: list[Json]) -> Json:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": self._fingerprint,
            "choices": choices,
            **self._tier,
        }

    def _extension(self, signature: AnswerSignature | None, cut_by: str) -> Json:
        """What OpenAI's answers do not have: docs/signed-answers.md, docs/adr/0028."""
        extension: Json = {}
        if signature is not None and self._shape.signable:
            both = {"statement": signature.statement, "certificate": signature.certificate}
            extension["signature"] = both
        if cut_by:
            extension["cut_by"] = cut_by
        return {"headrace": extension} if extension else {}

    def _remember(self, model: str, version: str) -> None:
        self._model = model
        self._fingerprint = f"fp_{version}"


def model_card(card: ModelCard) -> Json:
    """One entry of `/v1/models`; what OpenAI's do not have is under `headrace`."""
    able = card.capabilities
    return {
        "id": card.model.id,
        "object": "model",
        "created": card.loaded_at_seconds,
        "owned_by": "headrace",
        "headrace": {
            "version": card.model.version,
            "context_tokens": card.context_tokens,
            "generates": able.generates,
            "embedding_dimensions": able.embedding_dimensions,
            "parameters": able.parameters,
        },
    }


def _sse(content: Json) -> bytes:
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _usage(prompt_tokens: int, completion_tokens: int) -> Json:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
