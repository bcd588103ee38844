"""The engines' suite tells an answer that honours what was asked for from one that does not."""

import pytest

from headrace_inference.domain.capabilities import Feature
from headrace_inference.domain.events import ChoiceFinished, Delta, FinishReason, ToolCallPart
from headrace_inference.testing import Collected, expect_honoured


def said(text: str) -> Collected:
    return Collected({0: text}, {0: ChoiceFinished(0, FinishReason.STOP, 3)}, [Delta(0, text, 3)])


def called(name: str, arguments: str) -> Collected:
    delta = Delta(0, "", 3, tool_calls=(ToolCallPart(0, arguments, "call_1", name),))
    return Collected({}, {0: ChoiceFinished(0, FinishReason.TOOL_CALLS, 3)}, [delta])


@pytest.mark.parametrize(
    ("feature", "got"),
    [
        (Feature.LOGIT_BIAS, said("")),
        (Feature.LOGIT_BIAS, said("no no no")),
        (Feature.TOOLS, said("")),
        (Feature.TOOLS, said("Rain is wet.")),
        (Feature.TOOLS, called("tell", '{"dry": true}')),
        (Feature.TOOLS, called("ask", "")),
        (Feature.TOOLS, called("ask", '{"dry": "yes"}')),
        (Feature.TOOLS, called("ask", '{"dry": tr')),
    ],
)
def test_what_does_not_honour_a_feature_does_not_pass(feature: Feature, got: Collected) -> None:
    with pytest.raises((AssertionError, ValueError)):
        expect_honoured(feature, got, draws=True)


@pytest.mark.parametrize(
    ("feature", "got"),
    [
        (Feature.LOGIT_BIAS, said(" yes yes yes")),
        (Feature.TOOLS, called("ask", '{"dry": true}')),
    ],
)
def test_what_honours_a_feature_passes(feature: Feature, got: Collected) -> None:
    assert list(got.finished) == [0]
    expect_honoured(feature, got, draws=True)
