"""Loads a model's directory, in the thread that will own the model."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from llguidance import hf
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from headrace_inference.adapters.transformers.attention import NAME, register
from headrace_inference.adapters.transformers.batch import Batch
from headrace_inference.adapters.transformers.directory import (
    CannotLoadError,
    Plan,
    check_memory,
    choose,
    context_of,
    is_causal,
    read_config,
)
from headrace_inference.adapters.transformers.encoder import Encoder, read_pooling
from headrace_inference.adapters.transformers.int8 import quantize_linears
from headrace_inference.adapters.transformers.managed import ManagedBatch
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.adapters.transformers.worker import Batching
from headrace_inference.domain.capabilities import Capabilities, Feature

GENERATING = frozenset(
    {Feature.CHOICES, Feature.TOP_LOGPROBS, Feature.LOGIT_BIAS, Feature.RESPONSE_FORMAT}
)
TORCH_DTYPES = {
    "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "int8": torch.float32
}  # fmt: skip
"""What weights are loaded as."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in its thread: one that generates has a `batch`, one that embeds an `encoder`."""

    vocabulary: Vocabulary
    context_tokens: int
    capabilities: Capabilities
    batch: Batching | None = None
    encoder: Encoder | None = None


def load(directory: Path, options: TransformersOptions) -> Loaded:
    """The directory's model, on its device; raises CannotLoadError."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    config = read_config(directory)
    plan = choose(options, cuda=torch.cuda.is_available())
    check_memory(directory, config, plan, options)
    load_kind = _load_causal if is_causal(config, directory) else _load_embedding
    return load_kind(directory, plan, options, context_of(directory, config, options))


def _load_causal(
    directory: Path, plan: Plan, options: TransformersOptions, context_tokens: int
) -> Loaded:
    managed = options.batching == "manager" or (options.batching, plan.device) == ("auto", "cuda")
    register()
    attention = "sdpa" if managed else NAME
    model = _model(AutoModelForCausalLM, directory, plan, attn_implementation=attention)
    _require_one_rotation(model, context_tokens)
    if not managed:
        _require_packable(model)
    tokenizer = _tokenizer(directory)
    told = model.generation_config.eos_token_id
    ends = {told} if isinstance(told, int) else set(told or ())
    ends |= {tokenizer.eos_token_id} - {None}
    size = model.config.get_text_config().vocab_size
    vocabulary = Vocabulary(
        tokenizer,
        size=size,
        end_tokens=frozenset(ends),
        grammar=hf.from_tokenizer(tokenizer, n_vocab=size, eos_token=sorted(ends) or None),
    )
    batching: type[Batch | ManagedBatch] = ManagedBatch if managed else Batch
    batch = batching(
        model,
        vocabulary,
        slots=options.slots,
        context_tokens=context_tokens,
        chunk=options.prefill_chunk_tokens,
    )
    chat = {Feature.CHAT} if vocabulary.has_chat_template else set()
    return Loaded(vocabulary, context_tokens, Capabilities(GENERATING | chat), batch)


def _load_embedding(
    directory: Path, plan: Plan, _options: TransformersOptions, context_tokens: int
) -> Loaded:
    model = _model(AutoModel, directory, plan)
    encoder = Encoder(model, read_pooling(directory))
    vocabulary = Vocabulary(_tokenizer(directory), size=model.config.vocab_size)
    capabilities = Capabilities(generates=False, embedding_dimensions=model.config.hidden_size)
    return Loaded(vocabulary, context_tokens, capabilities, encoder=encoder)


def _require_packable(model: Any) -> None:
    """Refuse models in which tokens meet elsewhere than in attention: callers' would mix."""
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    plain = kinds <= {"full_attention", "sliding_attention"}
    if not plain or model._is_stateful or not model._supports_attention_backend:  # noqa: SLF001
        raise CannotLoadError("its layers are not all of attention that this engine can replace")


def _require_one_rotation(model: Any, context_tokens: int) -> None:
    """Refuse contexts in which one long text changes how the positions of all are told."""
    told = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    for rope in (told, *told.values()):  # one for all layers, or one for each kind of layer
        if isinstance(rope, dict) and rope.get("rope_type") == "longrope":
            most = rope["original_max_position_embeddings"]
            if context_tokens > most:
                raise CannotLoadError(
                    "one text that is longer would change all answers beside it (longrope):"
                    f" set CONTEXT_TOKENS to at most {most}"
                )


def _model(loader: Any, directory: Path, plan: Plan, **arguments: Any) -> Any:
    model = _from_directory(loader, directory, dtype=TORCH_DTYPES[plan.dtype], **arguments)
    model.eval().requires_grad_(False)
    if plan.dtype == "int8":
        quantize_linears(model)
    return model.to(plan.device)


def _tokenizer(directory: Path) -> Any:
    tokenizer = _from_directory(AutoTokenizer, directory)
    if not tokenizer.is_fast:
        raise CannotLoadError("its tokenizer has no fast form (tokenizer.json)")
    return tokenizer


def _from_directory(loader: Any, directory: Path, **arguments: Any) -> Any:
    from_pretrained: Callable[..., Any] = loader.from_pretrained
    try:
        return from_pretrained(directory, local_files_only=True, **arguments)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CannotLoadError(f"transformers cannot read it: {reason}") from error
