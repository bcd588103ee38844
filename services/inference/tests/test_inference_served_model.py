"""A model that also serves under other ids, with adapters over its weights."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.echo import DIGEST, EchoEngine
from headrace_inference.app import build
from headrace_inference.domain.events import Finished, Started
from headrace_inference.domain.models import EngineInfo, ModelVersion
from headrace_inference.servicer import UseCases
from headrace_inference.settings import InferenceSettings
from headrace_inference.testing import question

SUPPORT = ModelVersion("echo:support", "ab" * 32)


class AdaptedEngine(EchoEngine):
    """Says that it has an adapter."""

    @property
    def info(self) -> EngineInfo:
        return replace(super().info, adapted={SUPPORT.id: SUPPORT.digest})


@pytest.fixture
async def use_cases() -> UseCases:
    engine = AdaptedEngine(SystemClock(), slots=1, context_tokens=64)
    await engine.start()
    settings = InferenceSettings(engine="echo", model_id="echo")
    return build(settings, engine=engine, registry=CollectorRegistry(), clock=SystemClock())


async def test_every_id_is_listed_with_its_version(use_cases: UseCases) -> None:
    versions = use_cases.served.versions()
    assert list(versions.values()) == [ModelVersion("echo", DIGEST), SUPPORT]


async def test_an_answer_tells_the_version_that_was_asked_for(use_cases: UseCases) -> None:
    request = replace(question("one two"), model=SUPPORT.id)
    answer = [message async for message in use_cases.generator.generate(request)]
    told = [message.model for message in answer if isinstance(message, Started | Finished)]
    assert told == [SUPPORT, SUPPORT]


async def test_another_model_is_refused_with_those_that_there_are(use_cases: UseCases) -> None:
    with pytest.raises(HeadraceError, match="serves echo, echo:support only") as caught:
        await use_cases.served.tokens("echo:sales", "hi")
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
