"""A complete answer as bytes, for the cache."""

from pydantic import ConfigDict, TypeAdapter, with_config

from headrace_gateway.domain.completion import Answer

FORMAT = b"answer/2\n"
"""Changes whenever Answer's fields do; payloads of another format are not read."""


class AnswerCodec:
    """JSON behind a format mark; bytes travel as base64."""

    def __init__(self) -> None:
        config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
        self._adapter = TypeAdapter(with_config(config)(Answer))

    def encode(self, answer: Answer) -> bytes:
        return FORMAT + self._adapter.dump_json(answer)

    def decode(self, payload: bytes) -> Answer:
        """Raises ValueError on bytes that are no answer of this format."""
        if not payload.startswith(FORMAT):
            raise ValueError("not an answer of this format")
        return self._adapter.validate_json(payload[len(FORMAT) :])
