"""Other architectures than the default model's: small models with random weights."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from llguidance import hf
from tests.torch.lines import END, NEW_TOKENS, expect_same_but_for_ties, generated, line
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    MambaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
)

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.testing import request_for

SENTENCE = "My old king had seven blue railways that ran from the river down to the sea"
TEXTS = [" ".join(SENTENCE.split()[first:]) for first in range(10)]
CHUNK_TOKENS = 6
"""Less than a text: the later pieces of a prompt see the earlier ones."""
WINDOW = 8
"""Less than a text as well."""
LONGEST = 64

VOCABULARY: dict[str, Any] = {
    "vocab_size": 49152, "bos_token_id": 1, "eos_token_id": END, "pad_token_id": END
}  # fmt: skip
# with the usual small weights all tokens are about as likely, and attention hardly changes them
RANDOM = VOCABULARY | {"initializer_range": 0.3, "tie_word_embeddings": False}
SHAPE = RANDOM | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": LONGEST,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
TWO_ROTATIONS: dict[str, Any] = {
    "original_max_position_embeddings": LONGEST,
    "max_position_embeddings": 2 * LONGEST,
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "original_max_position_embeddings": LONGEST,
        "short_factor": [1.0, 1.1, 1.2, 1.3],
        "long_factor": [2.0, 4.0, 6.0, 8.0],
    },
}
PHI3 = Phi3Config(**GROUPED | TWO_ROTATIONS)

SERVED = {
    "gpt2": GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=LONGEST, **RANDOM),
    "gpt-neox": GPTNeoXConfig(**SHAPE),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen2-with-windows": Qwen2Config(
        use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1, **GROUPED
    ),
    "mistral": MistralConfig(sliding_window=WINDOW, **GROUPED),
    "phi3": PHI3,
}

REFUSED = {
    "mamba": (
        MambaConfig(hidden_size=32, state_size=4, num_hidden_layers=2, **VOCABULARY),
        "not all of attention",
    ),
    "gemma2": (Gemma2Config(head_dim=8, **GROUPED), "attention needs softcap"),
    "phi3": (PHI3, f"CONTEXT_TOKENS to at most {LONGEST}"),
}


def save(config: Any, directory: Path, model: Path) -> None:
    """Random weights of that shape, with the tokenizer of `model`."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model / name, directory)


@asynccontextmanager
async def running(directory: Path, context_tokens: int) -> AsyncIterator[TransformersEngine]:
    options = TransformersOptions(
        str(directory), 4, context_tokens, threads=1, device="cpu", dtype="fp32",
        prefill_chunk_tokens=CHUNK_TOKENS,
    )  # fmt: skip
    engine = TransformersEngine(options, SystemClock())
    try:
        await engine.start()
        yield engine
    finally:
        async with asyncio.timeout(30):
            await engine.close()


@pytest.mark.parametrize("config", SERVED.values(), ids=SERVED)
async def test_small_models_answer_as_generate_does(
    config: Any, model: Path, tmp_path: Path
) -> None:
    save(config, tmp_path, model)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    library = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    grammar = hf.from_tokenizer(tokenizer)
    reference = [generated(library, tokenizer, grammar, text) for text in TEXTS]
    assert len({tuple(each.tokens) for each in reference}) == len(TEXTS)
    async with running(tmp_path, LONGEST) as engine:
        requests = [request_for(text, max_tokens=NEW_TOKENS, top_logprobs=2) for text in TEXTS]
        ours = await asyncio.gather(*(line(engine, request) for request in requests))
    expect_same_but_for_ties(list(zip(ours, reference, strict=True)), most=1e-3)
    # an answer that ends within a character has no logprobs of its last tokens
    told, wanted = (sum(len(each.tokens) for each in lines) for lines in (ours, reference))
    assert told > 0.9 * wanted


@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
async def test_no_slot_is_longer_than_the_model_s_positions(
    name: str, model: Path, tmp_path: Path
) -> None:
    save(SERVED[name], tmp_path, model)
    async with running(tmp_path, 2 * LONGEST) as engine:
        assert engine.info.context_tokens == LONGEST


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_this_attention_cannot_do_is_refused_at_the_start(
    config: Any, message: str, model: Path, tmp_path: Path
) -> None:
    save(config, tmp_path, model)
    with pytest.raises(HeadraceError, match=message) as caught:
        async with running(tmp_path, 2 * LONGEST):
            raise AssertionError
    assert caught.value.reason is Reason.ENGINE_FAILED
