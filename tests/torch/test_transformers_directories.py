"""Which directories the transformers engine serves, and what it says of others."""

import json
import shutil
from pathlib import Path

import pytest

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.adapters.transformers.options import TransformersOptions
from headrace_inference.prepare import prepare_checkpoint
from headrace_inference.testing import prepared_checkpoint
from headrace_inference.weights.source import PreparationError


async def refusal(options: TransformersOptions) -> str:
    engine = TransformersEngine(options, SystemClock())
    with pytest.raises(HeadraceError) as caught:
        await engine.start()
    await engine.close()
    assert caught.value.reason is Reason.ENGINE_FAILED
    return str(caught.value)


def options_for(directory: Path, slots: int = 1, context_tokens: int = 64) -> TransformersOptions:
    return TransformersOptions(str(directory), slots, context_tokens, threads=1, device="cpu")


async def test_a_directory_that_is_not_there_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    assert "headrace_inference.prepare" in await refusal(options_for(tmp_path / "none"))


async def test_a_directory_without_a_configuration_is_no_model(tmp_path: Path) -> None:
    assert "config.json" in await refusal(options_for(tmp_path))


async def test_a_model_of_another_kind_is_named(tmp_path: Path) -> None:
    config = {"architectures": ["ViTForImageClassification"], "model_type": "vit"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "ViTForImageClassification neither" in await refusal(options_for(tmp_path))


async def test_a_model_without_weights_is_one_clear_error(tmp_path: Path, model: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model / name, tmp_path)
    assert "transformers cannot read it" in await refusal(options_for(tmp_path))


async def test_a_model_that_does_not_fit_is_not_tried(model: Path) -> None:
    said = await refusal(options_for(model, slots=256, context_tokens=8192))
    assert "lower SLOTS or CONTEXT_TOKENS" in said


async def test_cuda_where_there_is_none_is_refused(model: Path) -> None:
    options = TransformersOptions(str(model), 1, 64, threads=1, device="cuda")
    assert "set it to cpu or auto" in await refusal(options)


def test_a_second_time_nothing_is_prepared(model: Path) -> None:
    stamp = (model / "model.safetensors").stat().st_mtime_ns
    assert prepared_checkpoint() == model
    assert (model / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_file_that_is_no_model_cannot_be_prepared(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF not really")
    with pytest.raises(PreparationError):
        prepare_checkpoint(tmp_path / "models", broken)
    assert not list((tmp_path / "models").glob("*.transformers"))
