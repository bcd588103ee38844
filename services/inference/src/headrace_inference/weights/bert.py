"""Writes a BERT of sentence-transformers as the GGUF file that llama.cpp runs."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGUFWriter, TensorNameMap, TokenType
from safetensors.numpy import load_file

CONTROL = frozenset({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
"""What only training needs, or other poolings than the mean."""

Array = np.ndarray[Any, np.dtype[Any]]


def convert_bert(source: Path, target: Path, name: str) -> None:
    """Write the model in `source` (config.json, vocab.txt, model.safetensors) to `target`.

    Matrices become F16, half the size of F32 and as exact: the numbers of a vector are off by
    0.0003 at most with both. Q8_0 took a third less time, and was off by 0.006. Raises KeyError or
    ValueError for a model of another shape.
    """
    config = json.loads((source / "config.json").read_text())
    writer = GGUFWriter(target, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.BERT])
    try:
        writer.add_name(name)
        _describe(writer, config)
        _add_vocabulary(writer, (source / "vocab.txt").read_text(encoding="utf-8").splitlines())
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
        for tensor, data in load_file(source / "model.safetensors").items():
            if tensor not in UNUSED:
                writer.add_tensor(_renamed(names, tensor), _stored(tensor, data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _describe(writer: GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(config["type_vocab_size"])


def _add_vocabulary(writer: GGUFWriter, tokens: list[str]) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_token_list([_as_llama_writes(token) for token in tokens])
    writer.add_token_types(
        [TokenType.CONTROL if token in CONTROL else TokenType.NORMAL for token in tokens]
    )
    writer.add_bos_token_id(tokens.index("[CLS]"))
    writer.add_sep_token_id(tokens.index("[SEP]"))
    writer.add_pad_token_id(tokens.index("[PAD]"))
    writer.add_unk_token_id(tokens.index("[UNK]"))
    writer.add_mask_token_id(tokens.index("[MASK]"))


def _as_llama_writes(token: str) -> str:
    """What begins a word is marked, and not what goes on with one, as BERT does it."""
    if token in CONTROL:
        return token
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def _renamed(names: TensorNameMap, tensor: str) -> str:
    name = names.get_name(tensor, try_suffixes=(".weight", ".bias"))
    if name is None:
        raise ValueError(f"{tensor} is no tensor of a BERT")
    return name


def _stored(tensor: str, data: Array) -> Array:
    # llama.cpp adds positions and token types as they are, without a kernel for halves
    whole = data.ndim == 1 or tensor.startswith(("embeddings.position", "embeddings.token_type"))
    return data.astype(np.float32 if whole else np.float16)
