"""One caller of an inference service's `Generate`, with the face of an HTTP `Connection`."""

from collections.abc import AsyncIterator
from time import perf_counter
from urllib.parse import urlsplit

import grpc

from benchmarks.kinds import Kind
from benchmarks.load import ANSWER_SECONDS
from headrace.inference.v1 import inference_pb2 as pb
from headrace_common.grpc_client import create_channel

METHOD = "/headrace.inference.v1.InferenceService/Generate"
SCHEME = "grpc"


class GrpcAnswer:
    """As `connection.Answer`."""

    def __init__(self) -> None:
        self.status = 200
        self.body = bytearray()
        self.first_token_at: float | None = None
        self.ended_at = 0.0

    def text(self, *, streamed: bool) -> str:  # noqa: ARG002 - it always comes as a stream
        return self.body.decode()


class GrpcConnection:
    """A channel of its own; `ask` raises ConnectionError when the call fails."""

    def __init__(self, url: str) -> None:
        channel = create_channel(urlsplit(url).netloc)
        self._generate = channel.unary_stream(
            METHOD, response_deserializer=pb.GenerateResponse.FromString
        )

    async def ask(self, request: bytes) -> GrpcAnswer:
        answer = GrpcAnswer()
        async for text in self.pieces(request):
            answer.first_token_at = answer.first_token_at or perf_counter()
            answer.body += text.encode()
        answer.ended_at = perf_counter()
        return answer

    async def pieces(self, request: bytes) -> AsyncIterator[str]:
        """The text as it comes."""
        try:
            async for message in self._generate(request, timeout=ANSWER_SECONDS):
                if text := message.delta.text:
                    yield text
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"{error.code()}: {error.details()}") from error


def render(kind: Kind, model: str) -> bytes:
    """The call's message, as the gateway makes it of the same question."""
    message = pb.GenerateRequest(
        request_id="benchmark",
        model=model,
        organization_id="benchmark",
        sampling=pb.SamplingParameters(
            max_tokens=kind.max_tokens, temperature=kind.temperature, choices=1
        ),
    )
    message.chat.messages.add(role="user", content=kind.prompt)
    return message.SerializeToString()
