"""The fields that both completion endpoints share, and the forms that an answer can be held to."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from headrace_gateway.domain.completion import ResponseFormat, Sampling
from headrace_gateway.http.openai_rules import (
    FunctionName,
    JsonObject,
    ModelName,
    OpenAIBody,
    TokenCount,
    invalid,
    json_text,
    unsupported,
)

StopText = Annotated[str, StringConstraints(min_length=1, max_length=512)]
MOST_CHOICES = 5
"""What engines make at once; OpenAI allows 128."""


class StreamOptions(OpenAIBody):
    """How a stream reports."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class GenerationFields(OpenAIBody):
    """Fields that both endpoints share."""

    model: ModelName
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    top_p: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    max_tokens: TokenCount | None = None
    n: int | None = Field(default=None, ge=1, le=MOST_CHOICES)
    seed: int | None = Field(default=None, ge=-(2**63), le=2**63 - 1)
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] | None = None
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @field_validator("stream_options")
    @classmethod
    def _options_need_a_stream(
        cls, given: StreamOptions | None, info: ValidationInfo
    ) -> StreamOptions | None:
        if given is not None and not info.data.get("stream"):
            raise ValueError("only allowed when stream is true")
        return given

    def end_user(self) -> str:
        return self.user or ""

    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(self, max_tokens: int | None, top_logprobs: int | None) -> Sampling:
        if self.stream_options and self.stream_options.include_obfuscation:
            raise unsupported("stream_options.include_obfuscation", "chunks are not padded")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Sampling(
            max_tokens=max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
            stop=stop,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            logit_bias=_logit_bias(self.logit_bias or {}),
            choices=self.n or 1,
            top_logprobs=top_logprobs,
        )


class JsonSchema(OpenAIBody):
    """The schema of a structured answer."""

    name: FunctionName
    schema_: JsonObject = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class ResponseFormatField(OpenAIBody):
    """`text`, `json_object`, or `json_schema` with its schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _schema_is_there(self) -> "ResponseFormatField":
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema is required for type json_schema and only for it")
        return self

    def domain(self) -> ResponseFormat | None:
        if self.type == "text":
            return None
        if self.json_schema is None:
            return ResponseFormat()
        return ResponseFormat(json_text(self.json_schema.schema_, "response_format"))


def _logit_bias(biases: dict[str, float]) -> dict[int, float]:
    for token in biases:
        if not (token.isascii() and token.isdigit() and len(token) <= 10 and int(token) < 2**32):
            raise invalid("logit_bias", f"{token[:20]!r} is not a token id")
    return {int(token): bias for token, bias in biases.items()}
