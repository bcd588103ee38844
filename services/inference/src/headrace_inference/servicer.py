"""InferenceService over gRPC: converts, makes one domain call, converts."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from headrace.inference.v1 import inference_pb2, inference_pb2_grpc
from headrace_common.grpc_server import Registration
from headrace_inference import conversions
from headrace_inference.embedder import Embedder
from headrace_inference.generator import Generator
from headrace_inference.ports import AnswerSigner
from headrace_inference.served_model import ServedModel
from headrace_inference.signing import signed


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the calls are answered by."""

    served: ServedModel
    generator: Generator
    embedder: Embedder
    signer: AnswerSigner | None = None
    """Without one answers are not signed."""


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """The proto's InferenceService."""

    def __init__(self, use_cases: UseCases) -> None:
        self._served = use_cases.served
        self._generator = use_cases.generator
        self._embedder = use_cases.embedder
        self._signer = use_cases.signer

    async def Generate(  # noqa: N802 - the proto's name
        self, request: inference_pb2.GenerateRequest, _context: Any
    ) -> AsyncIterator[inference_pb2.GenerateResponse]:
        wanted = conversions.generation_request(request)
        answer = self._generator.generate(wanted)
        if self._signer is not None:
            answer = signed(wanted, answer, self._signer)
        async with aclosing(answer) as messages:
            async for message in messages:
                yield conversions.generate_response(message)

    async def Embed(  # noqa: N802 - the proto's name
        self, request: inference_pb2.EmbedRequest, _context: Any
    ) -> inference_pb2.EmbedResponse:
        embeddings = await self._embedder.embed(conversions.embedding_request(request))
        return conversions.embed_response(embeddings)

    async def ListModels(  # noqa: N802 - the proto's name
        self, _request: inference_pb2.ListModelsRequest, _context: Any
    ) -> inference_pb2.ListModelsResponse:
        engine = self._served.info()
        models = [conversions.model_info(each, engine) for each in self._served.versions().values()]
        keys = self._signer.public_keys() if self._signer is not None else ()
        return inference_pb2.ListModelsResponse(
            models=models, answer_keys=[conversions.answer_key(key) for key in keys]
        )

    async def GetLoad(  # noqa: N802 - the proto's name
        self, _request: inference_pb2.GetLoadRequest, _context: Any
    ) -> inference_pb2.GetLoadResponse:
        return conversions.load_response(self._served.load())

    async def Tokenize(  # noqa: N802 - the proto's name
        self, request: inference_pb2.TokenizeRequest, _context: Any
    ) -> inference_pb2.TokenizeResponse:
        tokens = await self._served.tokens(request.model, conversions.text_or_chat(request))
        ids = tokens if request.include_ids else ()
        return inference_pb2.TokenizeResponse(count=len(tokens), ids=ids)

    def registration(self) -> Registration:
        """How to add this servicer to a server."""
        return Registration(
            "headrace.inference.v1.InferenceService",
            inference_pb2_grpc.add_InferenceServiceServicer_to_server,
            self,
            polled=("ListModels", "GetLoad"),
        )
