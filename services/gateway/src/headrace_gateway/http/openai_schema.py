"""What `/v1/chat/completions` and `/v1/completions` accept, and what each field becomes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from headrace_gateway.domain.completion import CompletionRequest
from headrace_gateway.http.openai_answers import AnswerWriter
from headrace_gateway.http.openai_generation import GenerationFields, ResponseFormatField
from headrace_gateway.http.openai_messages import ChatMessage, conversation
from headrace_gateway.http.openai_rules import TokenCount, invalid, refuse_given, unsupported
from headrace_gateway.http.openai_shapes import ChatShape, TextShape
from headrace_gateway.http.openai_tools import (
    AnyFunctionChoice,
    AnyToolChoice,
    FunctionField,
    Offer,
    ToolField,
    offered_functions,
    offered_tools,
)

MetadataKey = Annotated[str, StringConstraints(max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]

COMPLETIONS_MAX_TOKENS = 16
"""OpenAI's default for `/v1/completions`; chat has none."""

UNSUPPORTED_IN_CHAT = MappingProxyType(
    {
        "audio": "models here write text only",
        "moderation": "an organization's guard policy decides",
        "prediction": "predicted outputs are not used",
        "prompt_cache_options": "how long prefixes are kept is not promised",
        "reasoning_effort": "it is not known which models reason",
        "web_search_options": "models here do not search",
    }
)
"""Of OpenAI's parameters; others that are not here or below are unknown to it as well."""


class ChatCompletionBody(GenerationFields):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=2048)]
    max_completion_tokens: TokenCount | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormatField | None = None
    tools: Annotated[list[ToolField], Field(max_length=128)] | None = None
    tool_choice: AnyToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionField], Field(max_length=128)] | None = None
    function_call: AnyFunctionChoice | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] | None = None
    store: bool | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    safety_identifier: Annotated[str, StringConstraints(max_length=128)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    audio: Any = None
    moderation: Any = None
    prediction: Any = None
    prompt_cache_options: Any = None
    reasoning_effort: Any = None
    web_search_options: Any = None

    @field_validator("top_logprobs")
    @classmethod
    def _logprobs_are_asked_for(cls, given: int | None, info: ValidationInfo) -> int | None:
        if given is not None and not info.data.get("logprobs"):
            raise ValueError("only allowed when logprobs is true")
        return given

    def domain(self) -> CompletionRequest:
        """The request; raises UNSUPPORTED_PARAMETER for what no engine here does."""
        self._refuse_unsupported()
        if self.max_tokens and self.max_completion_tokens:
            rule = "max_tokens and max_completion_tokens cannot both be set"
            raise invalid("max_tokens", rule, "invalid_parameter_combination")
        offer = self._offer()
        max_tokens = self.max_completion_tokens or self.max_tokens
        return CompletionRequest(
            model=self.model,
            input=conversation(self.messages),
            sampling=self.sampling(max_tokens, (self.top_logprobs or 0) if self.logprobs else None),
            response_format=self.response_format.domain() if self.response_format else None,
            tools=offer.tools,
            tool_choice=offer.choice,
            single_tool_call=self.parallel_tool_calls is False or bool(self.functions),
            priority="batch" if self.service_tier == "flex" else "interactive",
        )

    def writer(self, request_id: str, created: int) -> AnswerWriter:
        """Writes the answer to it."""
        tier = "flex" if self.service_tier == "flex" else "default"
        return AnswerWriter(
            ChatShape(functions=bool(self.functions), logprobs=bool(self.logprobs)),
            request_id,
            created,
            choices=self.n or 1,
            include_usage=self.includes_usage(),
            service_tier=tier if self.service_tier else None,
        )

    def end_user(self) -> str:
        """By either name: `safety_identifier` is what takes the place of `user`."""
        return self.user or self.safety_identifier or ""

    def names(self) -> Mapping[str, str]:
        """What the pipeline's words for parameters are here."""
        names: dict[str, str] = {}
        if self.functions:
            names |= {"tools": "functions", "tool_choice": "function_call"}
        if self.top_logprobs is None:
            names["top_logprobs"] = "logprobs"
        if self.max_completion_tokens:
            names["max_tokens"] = "max_completion_tokens"
        return names

    def _refuse_unsupported(self) -> None:
        refuse_given(self, UNSUPPORTED_IN_CHAT)
        if self.store:
            raise unsupported("store", "answers are not kept")
        if self.service_tier in ("scale", "priority", "fast"):
            raise unsupported("service_tier", "there are auto, default and flex")
        if self.modalities and "audio" in self.modalities:
            raise unsupported("modalities", "models here write text only")
        if self.verbosity in ("low", "high"):
            raise unsupported("verbosity", "there is only medium")

    def _offer(self) -> Offer:
        if self.functions is None and self.function_call is None:
            if self.parallel_tool_calls is not None and not self.tools:
                raise invalid("parallel_tool_calls", "is only allowed when tools are given")
            return offered_tools(self.tools or (), self.tool_choice)
        for param in ("tools", "tool_choice", "parallel_tool_calls"):
            if getattr(self, param) is not None:
                rule = "functions and function_call are its deprecated form; send one of the two"
                raise invalid(param, rule, "invalid_parameter_combination")
        return offered_functions(self.functions or (), self.function_call)


class CompletionBody(GenerationFields):
    """`POST /v1/completions`."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=2048)]
        | Annotated[list[int], Field(min_length=1)]
        | Annotated[list[list[int]], Field(min_length=1)]
    )
    logprobs: int | None = Field(default=None, ge=0, le=5)
    echo: bool | None = None
    best_of: int | None = Field(default=None, ge=1, le=20)
    suffix: str | None = None

    def domain(self) -> CompletionRequest:
        """The request; raises UNSUPPORTED_PARAMETER for what no engine here does."""
        if self.echo:
            raise unsupported("echo", "the prompt is not repeated")
        if self.suffix:
            raise unsupported("suffix", "insertion is not supported")
        self._check_best_of()
        max_tokens = self.max_tokens or COMPLETIONS_MAX_TOKENS
        return CompletionRequest(
            model=self.model,
            input=self._only_prompt(),
            sampling=self.sampling(max_tokens, self.logprobs),
        )

    def writer(self, request_id: str, created: int) -> AnswerWriter:
        """Writes the answer to it."""
        return AnswerWriter(
            TextShape(logprobs=self.logprobs is not None),
            request_id,
            created,
            choices=self.n or 1,
            include_usage=self.includes_usage(),
        )

    def names(self) -> Mapping[str, str]:
        """What the pipeline's words for parameters are here."""
        return {"top_logprobs": "logprobs"}

    def _check_best_of(self) -> None:
        choices = self.n or 1
        if self.best_of is None or self.best_of == choices:
            return
        if self.best_of < choices:
            raise invalid("best_of", "must not be below n")
        raise unsupported("best_of", "every choice that is made is returned, so n is enough")

    def _only_prompt(self) -> str:
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if not isinstance(prompts[0], str):
            rule = "token ids differ from model to model; send a text"
            raise unsupported("prompt", rule)
        if len(prompts) > 1:
            raise unsupported("prompt", "only one prompt per request is supported")
        return prompts[0]
