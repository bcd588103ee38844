"""Settings: what is required, and that the composition root builds what they name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from headrace_common.clock import SystemClock
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.llamacpp import LlamaCppEngine
from headrace_inference.app import create_engine
from headrace_inference.settings import InferenceSettings


def test_llamacpp_needs_a_model_file() -> None:
    with pytest.raises(ValidationError, match="model_path is required"):
        InferenceSettings(engine="llamacpp")


@pytest.mark.parametrize("name", ["slots", "context_tokens", "threads", "stall_seconds"])
def test_sizes_are_positive(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        InferenceSettings.model_validate({"engine": "echo", name: 0})


def test_the_engine_is_the_one_that_is_named(tmp_path: Path) -> None:
    model_path = tmp_path / "m.gguf"
    named = {"echo": EchoEngine, "llamacpp": LlamaCppEngine}
    for engine, kind in named.items():
        settings = InferenceSettings(engine=engine, model_path=model_path)
        assert isinstance(create_engine(settings, SystemClock()), kind)


def test_calls_must_not_be_refused_before_the_queue_is_full() -> None:
    with pytest.raises(ValidationError, match="maximum_concurrent_calls"):
        InferenceSettings(engine="echo", slots=8, queue_length=32, maximum_concurrent_calls=39)
