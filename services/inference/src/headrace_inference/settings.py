"""What the inference service can be told from its environment (`HEADRACE_INFERENCE_...`)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import GrpcServiceSettings


class InferenceSettings(GrpcServiceSettings):
    """Settings of one inference process, which serves one model."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_INFERENCE_", protected_namespaces=())

    drain_seconds: float = Field(default=315.0, gt=0)
    """Longer than `maximum_request_seconds`: an answer that has begun may end."""

    engine: Literal["llamacpp", "echo"] = "llamacpp"
    model_id: str = Field(default="smollm2-135m-instruct", min_length=1)
    """The public id under which callers ask for the model."""
    model_path: Path | None = None
    """A prepared .gguf file; required by llamacpp."""
    slots: int = Field(default=8, ge=1, le=256)
    """Choices that are generated at the same time."""
    context_tokens: int = Field(default=2048, ge=16)
    """Prompt and answer together, per slot."""
    queue_length: int = Field(default=32, ge=0)
    """Requests that may wait for a slot before further ones are refused."""
    queue_tokens: int = Field(default=131_072, ge=1)
    """Tokens, of prompts and answers, that waiting requests may take at most."""
    queue_seconds: float = Field(default=60.0, gt=0)
    """Longest a request may wait for a slot."""
    ageing_seconds: float = Field(default=30.0, ge=0)
    """After so long in the queue a batch's request is treated like one that somebody waits for."""
    maximum_concurrent_calls: int = Field(default=512, ge=1)
    """Must have room for those that run and those that wait, for calls are counted before them."""
    threads: int = Field(default=2, ge=1)
    """Threads that compute; never more than there are cores, for they wait by spinning."""
    prefill_chunk_tokens: int = Field(default=128, ge=16)
    """Prompt tokens that are read between two decode steps."""
    stall_seconds: float = Field(default=30.0, gt=0)
    """Silence of a working engine after which it is taken for dead and the process ends."""
    silent_seconds: float = Field(default=10.0, gt=0)
    """Silence of a working engine after which readiness is lost, until it speaks again."""
    maximum_request_seconds: float = Field(default=300.0, gt=0)
    """Longest a request may wait and be answered."""
    echo_token_seconds: float = Field(default=0.0, ge=0)
    """The echo engine's pause before each token."""
    echo_failing_every: int = Field(default=0, ge=0)
    """Each so many tokens the echo engine fails an answer; 0 for never."""
    echo_stalling_every: int = Field(default=0, ge=0)
    """Each so many tokens the echo engine falls silent in an answer; 0 for never."""

    @model_validator(mode="after")
    def _check_model_path(self) -> "InferenceSettings":
        if self.engine == "llamacpp":
            self.required_model_path()
        return self

    @model_validator(mode="after")
    def _check_calls(self) -> "InferenceSettings":
        if self.maximum_concurrent_calls < self.slots + self.queue_length:
            raise ValueError("maximum_concurrent_calls must not be below slots + queue_length")
        return self

    def required_model_path(self) -> Path:
        """The model's file; raises ValueError when the settings name none."""
        if self.model_path is None:
            raise ValueError("model_path is required by the llamacpp engine")
        return self.model_path
