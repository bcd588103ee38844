"""What a model's directory is, and on which device and at which precision it is to run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.weights.memory import (
    KEY_AND_VALUE,
    ModelDoesNotFitError,
    free_bytes,
    require_room,
)

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 4}
"""Of a key's or value's element, and of a weight's while it is loaded."""


POSITIONS = ("max_position_embeddings", "n_positions")
"""Under which names a configuration tells how many positions its model knows, if it tells."""

CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")
"""How the library names models that generate text; the latter are GPT-2 and its age."""


class CannotLoadError(ValueError):
    """Says what is wrong with the directory, or what to set instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where and how to run: a torch device's name, and one of the precisions."""

    device: str
    dtype: str


def read_config(directory: Path) -> dict[str, Any]:
    """The model's config.json; raises CannotLoadError."""
    try:
        config = json.loads((directory / "config.json").read_text())
    except FileNotFoundError as error:
        raise CannotLoadError("it has no config.json, so it is no Hugging Face model") from error
    except ValueError as error:
        raise CannotLoadError("its config.json is not JSON") from error
    if not isinstance(config, dict):
        raise CannotLoadError("its config.json is not an object")
    return config


def is_causal(config: dict[str, Any], directory: Path) -> bool:
    """Whether it generates text, False if it makes embeddings; raises CannotLoadError for others.

    Embedding models are those that sentence-transformers saved, or plain encoders.
    """
    names = [str(name) for name in config.get("architectures") or ()]
    if (directory / "modules.json").is_file():
        return False
    if any(name.endswith(CAUSAL_ENDINGS) for name in names):
        return True
    if names and all(name.endswith("Model") for name in names):
        return False
    raise CannotLoadError(
        f"{', '.join(names) or 'an unnamed model'} neither generates text nor makes embeddings"
    )


def choose(options: TransformersOptions, *, cuda: bool) -> Plan:
    """Device and precision for what the settings leave open; raises CannotLoadError."""
    device = options.device
    if device == "auto":
        device = "cuda" if cuda else "cpu"
    if device == "cuda" and not cuda:
        raise CannotLoadError("DEVICE is cuda and there is none: set it to cpu or auto")
    dtype = options.dtype
    if dtype == "auto":
        dtype = "bf16" if device == "cuda" else "int8"
    if dtype == "int8" and device != "cpu":
        raise CannotLoadError("DTYPE int8 is for the CPU only: set it to bf16, fp16 or fp32")
    return Plan(device, dtype)


def context_of(directory: Path, config: dict[str, Any], options: TransformersOptions) -> int:
    """Tokens per slot: what the settings ask for, as far as the model was made for them."""
    limits = [options.context_tokens, *(config.get(name) for name in POSITIONS)]
    trained = directory / "sentence_bert_config.json"
    if trained.is_file():
        limits.append(json.loads(trained.read_text()).get("max_seq_length"))
    return min(limit for limit in limits if limit)


def check_memory(
    directory: Path, config: dict[str, Any], plan: Plan, options: TransformersOptions
) -> None:
    """Raise CannotLoadError unless weights and slots fit into this machine's memory.

    Nothing is said about a GPU's, nor of models that tell their shape in another way.
    """
    if plan.device != "cpu":
        return
    element = BYTES[plan.dtype]
    stored = 4 if config.get("dtype", config.get("torch_dtype")) == "float32" else 2
    weights = sum(path.stat().st_size for path in directory.glob("*.safetensors"))
    try:
        heads = config["num_attention_heads"]
        shared = config.get("num_key_value_heads") or heads
        width = config.get("head_dim") or config["hidden_size"] // heads
        per_token = KEY_AND_VALUE * element * config["num_hidden_layers"] * shared * width
    except (KeyError, TypeError):
        per_token = 0
    try:
        require_room(
            weights * element // stored,
            slots=options.slots,
            context_tokens=options.context_tokens,
            bytes_per_token=per_token,
            free=free_bytes(),
        )
    except ModelDoesNotFitError as error:
        raise CannotLoadError(str(error)) from error
