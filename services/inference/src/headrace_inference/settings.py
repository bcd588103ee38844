"""What the inference service can be told from its environment (`HEADRACE_INFERENCE_...`)."""

import base64
import re
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from headrace_common.errors import HeadraceError, Reason
from headrace_common.settings import GrpcServiceSettings
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.objectives import FIRST_TOKEN_EDGES, PER_TOKEN_EDGES, Objectives

REMOTE_FEATURES = frozenset(Feature) - {Feature.TOOLS, Feature.NAMES, Feature.GRAMMAR}
"""Tools need a parser that servers are started with; names need a template that shows them; for
grammars each server has words of its own, which the engine does not know."""

ONE_MODEL = "a process serves one; start another process for each further model"
SEPARATORS = re.compile(r"[,;\s]")
SEVERAL_FILES = re.compile(r"\.gguf[^/]*[,;:\s].*\.gguf")
SEED_BYTES = 32
"""Of an Ed25519 private key (RFC 8032)."""
ENGINE_OF = MappingProxyType(
    {
        "chat_template_path": "llamacpp",
        "lora_adapters": "llamacpp",
        "prompt_cache": "llamacpp",
        "gather_seconds": "llamacpp",
        "spins": "llamacpp",
        "device": "transformers",
        "dtype": "transformers",
        "remote": "openai",
        "echo": "echo",
    }
)
"""Which engine a setting is for, by its name or by how its name begins."""


def one_of(edges: tuple[float, ...]) -> AfterValidator:
    """For a number that must be an edge of a histogram: see Objectives."""

    def check(value: float) -> float:
        if value not in edges:
            raise ValueError(f"must be one of {', '.join(f'{edge:g}' for edge in edges)}")
        return value

    return AfterValidator(check)


class InferenceSettings(GrpcServiceSettings):
    """Settings of one inference process, which serves one model."""

    model_config = SettingsConfigDict(env_prefix="HEADRACE_INFERENCE_", protected_namespaces=())

    drain_seconds: float = Field(default=315.0, gt=0)
    """Longer than `maximum_request_seconds`: an answer that has begun may end."""

    engine: Literal["llamacpp", "transformers", "openai", "echo"] = "llamacpp"
    model_id: str = Field(default="smollm2-135m-instruct", min_length=1)
    """The public id under which callers ask for the model."""
    model_path: Path | None = None
    """A prepared .gguf file for llamacpp; for transformers a directory, or OWNER/NAME on a hub. Or
    a link to the file or directory, as `prepare --link` makes one."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where transformers computes; auto is CUDA where it is present."""
    dtype: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    """At which precision transformers computes; auto is int8 on CPU and bf16 on CUDA."""
    chat_template_path: Path | None = None
    """A Jinja file, for llamacpp, instead of the chat template in the model's file."""
    lora_adapters: dict[str, Path] = Field(default_factory=dict)
    """LoRA adapters for llamacpp, .gguf files by the public ids under which callers ask for the
    model with them; as JSON."""
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
    prompt_cache: Literal["off", "tenant"] = "off"
    """`tenant`: llamacpp does not read a prompt's beginning again if the same organisation's last
    prompt in a slot had it; who is in the organisation can tell that from the answer's timing."""
    threads: int = Field(default=2, ge=1)
    """Threads that compute; never more than there are cores, for they wait by spinning."""
    spins: int = Field(default=10_000, ge=0)
    """Times that a thread of llama.cpp looks whether the others are there before it sleeps.

    10,000 take about 0.2 ms: on 2 cores one slot makes 99 tokens/s, instead of 52 without any, and
    39 instead of 23 beside two busy processes. 300,000 gain another tenth where the cores are its
    own, and cost four fifths where they are not."""
    prefill_chunk_tokens: int = Field(default=512, ge=16)
    """Prompt tokens that are read between two decode steps, 1.1 s long on 2 cores: more is faster,
    by a tenth from 256 to 512 where many callers begin at once, and fewer is smoother (ADR 27)."""
    gather_seconds: float = Field(default=0.05, ge=0, le=1)
    """llamacpp's tokens go out a step's together, and so long after the last ones, but an answer's
    first at once. 0, for each step by itself, cost 7% of one stream's speed on 2 cores (ADR 27)."""
    stall_seconds: float = Field(default=30.0, gt=0)
    """Silence of a working engine after which it is taken for dead and the process ends."""
    silent_seconds: float = Field(default=10.0, gt=0)
    """Silence of a working engine after which readiness is lost, until it speaks again."""
    maximum_request_seconds: float = Field(default=300.0, gt=0)
    """Longest a request may wait and be answered."""
    objective_first_token_seconds: Annotated[float, one_of(FIRST_TOKEN_EDGES)] = 2.5
    """From a request's arrival to its first token, at most, if it is to count as goodput."""
    objective_per_token_seconds: Annotated[float, one_of(PER_TOKEN_EDGES)] = 0.2
    """Likewise between its tokens, on average; people read about as fast as five come a second."""
    answer_signing_keys: SecretStr | None = None
    """Ed25519 seeds, base64, separated by commas. The first one's holder is who answers are signed
    by, all are published; without any, answers are not signed."""
    answer_key_seconds: int = Field(default=86_400, ge=60)
    """How long a process signs with one key of its own before it makes another."""
    echo_token_seconds: float = Field(default=0.0, ge=0)
    """The echo engine's pause before each token."""
    echo_failing_every: int = Field(default=0, ge=0)
    """Each so many tokens the echo engine fails an answer; 0 for never."""
    echo_stalling_every: int = Field(default=0, ge=0)
    """Each so many tokens the echo engine falls silent in an answer; 0 for never."""

    remote_url: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")
    """Base of the API that the openai engine uses, such as http://vllm:8000/v1."""
    remote_kind: Literal["openai", "llamacpp", "vllm"] = "openai"
    """What the remote offers beside OpenAI's API: the latter two tell tokens, and are asked to."""
    remote_model: str | None = Field(default=None, min_length=1)
    """The remote's name of the model; `model_id` if there is none."""
    remote_api_key: SecretStr | None = None
    remote_features: frozenset[Feature] = REMOTE_FEATURES
    """Parameters that the remote honours, of those that not every server does; a JSON list."""
    remote_generates: bool = True
    remote_embedding_dimensions: int | None = Field(default=None, ge=1)
    """Numbers in the remote's embeddings, if it makes any."""
    remote_health_path: str = Field(default="/health", pattern=r"^/[^?#\s]*$")
    """Below `remote_url` without its /v1; where it is not found, the list of models is asked."""
    remote_digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the weights, if it is known; else one of what the remote says of the model."""
    remote_start_seconds: float = Field(default=600.0, gt=0)
    """Longest that the start waits for the remote."""

    @model_validator(mode="after")
    def _check_engine(self) -> "InferenceSettings":
        """What another engine would heed is refused, lest somebody believe that it works."""
        for name in sorted(self.model_fields_set):
            engine = ENGINE_OF.get(name, ENGINE_OF.get(name.partition("_")[0], self.engine))
            if engine != self.engine:
                raise ValueError(f"{name} is for the {engine} engine only")
        return self

    @model_validator(mode="after")
    def _check_remote(self) -> "InferenceSettings":
        if self.engine == "openai":
            self.required_remote_url()
        key = self.remote_api_key
        if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
            raise ValueError("remote_api_key must be visible ASCII characters")
        return self

    @model_validator(mode="after")
    def _check_model_path(self) -> "InferenceSettings":
        if self.engine in ("llamacpp", "transformers"):
            self.required_model_path()
        return self

    @model_validator(mode="after")
    def _check_calls(self) -> "InferenceSettings":
        if self.maximum_concurrent_calls < self.slots + self.queue_length:
            raise ValueError("maximum_concurrent_calls must not be below slots + queue_length")
        return self

    @model_validator(mode="after")
    def _check_one_model(self) -> "InferenceSettings":
        several = {
            "model_id": SEPARATORS.search(self.model_id),
            "model_path": SEVERAL_FILES.search(str(self.model_path)),
        }
        for name, found in several.items():
            if found:
                raise ValueError(f"{name} must name one model: {ONE_MODEL}")
        return self

    @model_validator(mode="after")
    def _check_answer_signing_keys(self) -> "InferenceSettings":
        self.answer_signing_seeds()
        return self

    def answer_signing_seeds(self) -> tuple[bytes, ...]:
        """The seeds of `answer_signing_keys`; raises ValueError, without them, if one is none."""
        if self.answer_signing_keys is None:
            return ()
        seeds = []
        for encoded in self.answer_signing_keys.get_secret_value().split(","):
            try:
                seed = base64.b64decode(encoded.strip(), validate=True)
            except ValueError:
                seed = b""
            if len(seed) != SEED_BYTES:
                raise ValueError(f"answer_signing_keys: each must be {SEED_BYTES} bytes in base64")
            seeds.append(seed)
        return tuple(seeds)

    @model_validator(mode="after")
    def _check_lora_adapters(self) -> "InferenceSettings":
        if self.model_id in self.lora_adapters or "" in self.lora_adapters:
            raise ValueError("lora_adapters must have ids of their own")
        return self

    def required_model_path(self) -> Path:
        """The model's file or directory; raises ValueError when the settings name none."""
        if self.model_path is None:
            raise ValueError(f"model_path is required by the {self.engine} engine")
        # Followed once: what is remembered of a model is beside it, and a link that is replaced
        # while this process runs must not mix two.
        return self.model_path.resolve() if self.model_path.is_symlink() else self.model_path

    def required_remote_url(self) -> str:
        """The remote's address; raises ValueError when the settings name none."""
        if self.remote_url is None:
            raise ValueError("remote_url is required by the openai engine")
        return self.remote_url.rstrip("/")

    def objectives(self) -> Objectives:
        """What answers must keep to count as goodput."""
        return Objectives(self.objective_first_token_seconds, self.objective_per_token_seconds)

    def chat_template(self) -> str:
        """The text of the file that the settings name, if any; raises INVALID_FIELD without it."""
        path = self.chat_template_path
        try:
            return path.read_text(encoding="utf-8") if path else ""
        except OSError as error:
            param = "chat_template_path"
            message = f"{param}: {path} cannot be read"
            raise HeadraceError(Reason.INVALID_FIELD, message, param=param) from error
