"""Settings: what is required, and that the composition root builds what they name."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError
from headrace_inference.adapters.echo import EchoEngine
from headrace_inference.adapters.llamacpp.engine import LlamaCppEngine
from headrace_inference.adapters.openai_remote.engine import OpenAiRemoteEngine
from headrace_inference.adapters.transformers.engine import TransformersEngine
from headrace_inference.app import create_signer
from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.objectives import Objectives
from headrace_inference.engines import create_engine, remote_options
from headrace_inference.settings import InferenceSettings

REMOTE = "http://vllm:8000/v1"
SEED = "a" * 42 + "E="


def test_llamacpp_needs_a_model_file() -> None:
    with pytest.raises(ValidationError, match="model_path is required"):
        InferenceSettings(engine="llamacpp")


@pytest.mark.parametrize("name", ["slots", "context_tokens", "threads", "stall_seconds"])
def test_sizes_are_positive(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        InferenceSettings.model_validate({"engine": "echo", name: 0})


async def test_the_engine_is_the_one_that_is_named(tmp_path: Path) -> None:
    model = {"model_path": tmp_path / "m.gguf"}
    for engine, kind, needed in (
        ("echo", EchoEngine, {}),
        ("llamacpp", LlamaCppEngine, model),
        ("transformers", TransformersEngine, model),
        ("openai", OpenAiRemoteEngine, {"remote_url": REMOTE}),
    ):
        settings = InferenceSettings.model_validate({"engine": engine, **needed})
        assert isinstance(create_engine(settings, SystemClock()), kind)


@pytest.mark.parametrize(
    ("engine", "setting", "value", "owner"),
    [
        ("echo", "prompt_cache", "tenant", "llamacpp"),
        ("transformers", "chat_template_path", "/t.jinja", "llamacpp"),
        ("openai", "lora_adapters", {"a": "/a.gguf"}, "llamacpp"),
        ("transformers", "spins", 0, "llamacpp"),
        ("llamacpp", "device", "cuda", "transformers"),
        ("llamacpp", "remote_url", REMOTE, "openai"),
        ("openai", "echo_token_seconds", 1, "echo"),
    ],
)
def test_what_another_engine_would_heed_is_refused(
    engine: str, setting: str, value: object, owner: str
) -> None:
    with pytest.raises(ValidationError, match=f"{setting} is for the {owner} engine only"):
        InferenceSettings.model_validate({"engine": engine, setting: value})


def test_calls_must_not_be_refused_before_the_queue_is_full() -> None:
    with pytest.raises(ValidationError, match="maximum_concurrent_calls"):
        InferenceSettings(engine="echo", slots=8, queue_length=32, maximum_concurrent_calls=39)


def test_objectives_are_edges_of_the_histograms() -> None:
    for name, value in (("first_token", 3), ("per_token", 2.6), ("per_token", 0)):
        with pytest.raises(ValidationError, match=f"objective_{name}_seconds\\s+.*must be one of"):
            InferenceSettings.model_validate({"engine": "echo", f"objective_{name}_seconds": value})
    settings = InferenceSettings(engine="echo", objective_per_token_seconds=0.1)
    assert settings.objectives() == Objectives(2.5, 0.1)


def test_a_remote_is_named_and_has_an_address() -> None:
    with pytest.raises(ValidationError, match="remote_url is required"):
        InferenceSettings(engine="openai")
    for url in (
        "vllm:8000",
        "ftp://vllm",
        "http://user:pass@vllm",
        "http://vllm/v1?a=b",
        "http://",
    ):
        with pytest.raises(ValidationError, match="remote_url"):
            InferenceSettings(engine="openai", remote_url=url)
    options = remote_options(InferenceSettings(engine="openai", remote_url=f"{REMOTE}/"))
    assert (options.url, options.root) == (REMOTE, "http://vllm:8000")
    assert options.model == "smollm2-135m-instruct"


def test_what_the_remote_honours_is_a_list_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_INFERENCE_REMOTE_FEATURES", '["messages", "tools"]')
    settings = InferenceSettings(engine="openai", remote_url=REMOTE)
    assert remote_options(settings).features == {Feature.CHAT, Feature.TOOLS}


@pytest.mark.parametrize("key", ["sk-canary with spaces", "sk-canary\n", "sk-canary-ü", ""])
def test_a_key_that_is_no_header_is_refused_unseen(key: str) -> None:
    with pytest.raises(ValidationError, match="remote_api_key") as caught:
        InferenceSettings.model_validate(
            {"engine": "openai", "remote_url": REMOTE, "remote_api_key": key}
        )
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("keys", ["not base64!", "c2hvcnQ=", "", f"{SEED},", f"{SEED} {SEED}"])
def test_keys_that_sign_answers_are_seeds(keys: str) -> None:
    with pytest.raises(ValidationError, match="must be 32 bytes in base64") as caught:
        InferenceSettings.model_validate({"engine": "echo", "answer_signing_keys": keys})
    assert not keys or keys not in str(caught.value)


def test_several_keys_may_be_given_and_are_not_shown() -> None:
    settings = InferenceSettings.model_validate(
        {"engine": "echo", "answer_signing_keys": f"{SEED}, {'b' * 42}I="}
    )
    assert [len(seed) for seed in settings.answer_signing_seeds()] == [32, 32]
    assert SEED not in repr(settings)
    assert create_signer(settings, SystemClock()) is not None
    assert create_signer(InferenceSettings(engine="echo"), SystemClock()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_id", "small,large"),
        ("model_id", '["small", "large"]'),
        ("model_path", "/models/a.gguf,/models/b.gguf"),
        ("model_path", "/models/a.gguf:/models/b.gguf"),
        ("model_path", "/models/a.gguf /models/b.gguf"),
        ("model_path", '["/models/a.gguf", "/models/b.gguf"]'),
    ],
)
def test_two_models_in_one_process_are_refused(name: str, value: str) -> None:
    message = f"{name} must name one model: a process serves one; start another process"
    with pytest.raises(ValidationError, match=message):
        InferenceSettings.model_validate({"engine": "echo", name: value})


@pytest.mark.parametrize("path", ["/my models/a, b.gguf", "/a.gguf/b.gguf", "C:/a.gguf"])
def test_odd_names_of_one_model_are_taken(path: str) -> None:
    settings = InferenceSettings(model_path=Path(path))
    assert settings.required_model_path() == Path(path)


def test_a_chat_template_is_read_when_the_engine_is_made(tmp_path: Path) -> None:
    path = tmp_path / "template.jinja"
    settings = InferenceSettings(model_path=tmp_path / "m.gguf", chat_template_path=path)
    with pytest.raises(HeadraceError, match="chat_template_path"):
        settings.chat_template()
    path.write_text("{{ messages }}")
    assert settings.chat_template() == "{{ messages }}"


def test_adapters_have_ids_of_their_own(tmp_path: Path) -> None:
    own = {"smollm2-135m-instruct": tmp_path / "a.gguf"}
    with pytest.raises(ValidationError, match="ids of their own"):
        InferenceSettings(model_path=tmp_path / "m.gguf", lora_adapters=own)
    with pytest.raises(ValidationError, match="llamacpp engine only"):
        InferenceSettings(engine="echo", lora_adapters={"support": tmp_path / "a.gguf"})


def test_a_link_to_a_model_is_followed_once(tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("model.gguf")
    assert InferenceSettings(model_path=link).required_model_path() == tmp_path / "model.gguf"
    on_a_hub = Path("acme/model")
    assert InferenceSettings(model_path=on_a_hub).required_model_path() == on_a_hub
