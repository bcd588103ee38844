"""The call of an inference server that makes embeddings."""

from collections.abc import Sequence
from typing import Any

from headrace.inference.v1 import inference_pb2
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.grpc_interceptors import REQUEST_ID_KEY
from headrace_gateway.domain.completion import ModelVersion
from headrace_gateway.domain.embedding import EmbeddingRequest, Embeddings


async def embed(
    stub: Any,
    request_id: str,
    tenant: str,
    request: EmbeddingRequest,
    *,
    seconds: float,
    metadata: Sequence[tuple[str, str]] = (),
) -> Embeddings:
    """Raises HeadraceError, which names fields as callers know them; `metadata` goes along."""
    message = inference_pb2.EmbedRequest(
        request_id=request_id,
        model=request.model,
        organization_id=tenant,
        texts=request.inputs,
        dimensions=request.dimensions,
    )
    try:
        with translate_rpc_errors("inference"):
            answer = await stub.Embed(
                message, timeout=seconds, metadata=((REQUEST_ID_KEY, request_id), *metadata)
            )
    except HeadraceError as error:
        _use_public_names(error)
        raise
    if len(answer.vectors) != len(request.inputs):
        raise HeadraceError(Reason.ENGINE_FAILED, "The model made too few embeddings.")
    return Embeddings(
        ModelVersion(answer.model.id, answer.model.version),
        tuple(answer.vectors),
        answer.prompt_tokens,
        answer.queue_time.ToTimedelta().total_seconds(),
    )


def _use_public_names(error: HeadraceError) -> None:
    if error.param is not None and error.param.startswith("texts"):
        error.rename_param(error.param.replace("texts", "input", 1))
