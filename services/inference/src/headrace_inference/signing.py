"""Signs an answer at its end: the last message says what was asked, what was said, and by what."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from headrace_inference.domain.attestation import Statement, Transcript, request_digest
from headrace_inference.domain.events import Answer, Delta, Finished
from headrace_inference.domain.requests import GenerationRequest
from headrace_inference.ports import AnswerSigner


async def signed(
    request: GenerationRequest, answer: AsyncGenerator[Answer, None], signer: AnswerSigner
) -> AsyncGenerator[Answer, None]:
    """The same messages, the last with a signature; an answer that does not end has none."""
    transcript = Transcript()
    async with aclosing(answer) as messages:
        async for message in messages:
            if isinstance(message, Delta):
                transcript.add(message)
                yield message
            elif isinstance(message, Finished):
                statement = Statement(
                    request.request_id,
                    message.model,
                    request_digest(request),
                    transcript.digest(message.reasons),
                )
                yield replace(message, signature=signer.sign(statement))
            else:
                yield message
