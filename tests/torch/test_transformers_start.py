"""Before the transformers engine is ready: loaders that find too little memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from transformers import AutoTokenizer

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.batch import Batch
from headrace_inference.adapters.transformers.encoder import Encoder
from headrace_inference.adapters.transformers.engine import Loader, TransformersEngine
from headrace_inference.adapters.transformers.job import Told
from headrace_inference.adapters.transformers.load import Loaded
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.adapters.transformers.vocabulary import Vocabulary
from headrace_inference.domain.capabilities import Capabilities

ADVICE = "lower SLOTS or CONTEXT_TOKENS, or set DTYPE to one of fewer bytes"


def run_out() -> NoReturn:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class FullBatch(Batch):
    """No room for the first pass."""

    def step(self) -> Told:
        run_out()


class FullEncoder(Encoder):
    """No room for the first text."""

    def vectors(self, texts: Sequence[Sequence[int]]) -> list[list[float]]:
        run_out()


def full_at_once(directory: Path, options: TransformersOptions) -> Loaded:
    run_out()


def full_at_the_first_pass(directory: Path, options: TransformersOptions) -> Loaded:
    vocabulary = words(directory)
    slots, context, chunk = options.slots, options.context_tokens, options.prefill_chunk_tokens
    batch = FullBatch(None, vocabulary, slots=slots, context_tokens=context, chunk=chunk)
    return Loaded(vocabulary, context, Capabilities(), batch)


def full_at_the_first_text(directory: Path, options: TransformersOptions) -> Loaded:
    capabilities = Capabilities(generates=False, embedding_dimensions=8)
    encoder = FullEncoder(None, "mean")
    return Loaded(words(directory), options.context_tokens, capabilities, encoder=encoder)


def words(directory: Path) -> Vocabulary:
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    return Vocabulary(tokenizer, size=len(tokenizer))


@pytest.mark.parametrize("load", [full_at_once, full_at_the_first_pass, full_at_the_first_text])
async def test_too_little_memory_is_told_with_what_to_set(model: Path, load: Loader) -> None:
    options = TransformersOptions(str(model), 2, context_tokens=64, threads=1, device="cpu")
    engine = TransformersEngine(options, SystemClock(), load=load)
    with pytest.raises(HeadraceError, match=ADVICE) as caught:
        await engine.start()
    assert caught.value.reason is Reason.ENGINE_FAILED
    with pytest.raises(HeadraceError) as caught:
        _ = engine.info
    assert caught.value.reason is Reason.NOT_SERVING
    await engine.close()
