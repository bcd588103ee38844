"""EchoTarget keeps the promises of its port."""

import pytest

from headrace_gateway.adapters.memory import EchoTarget
from headrace_gateway.testing.inference_suite import InferenceTargetSuite


class TestEchoTarget(InferenceTargetSuite):
    @pytest.fixture
    def target(self) -> EchoTarget:
        return EchoTarget()


async def test_it_remembers_that_it_was_closed() -> None:
    target = EchoTarget()
    await target.close()
    assert target.closed
