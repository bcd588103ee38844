"""What a model does not promise is refused, and told which part of the request it was."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.capabilities import Capabilities, Feature
from headrace_inference.domain.requests import (
    GenerationRequest,
    JsonObject,
    Message,
    Regex,
    Tool,
    ToolCall,
)
from headrace_inference.testing import question, request_for

ASKING: list[tuple[GenerationRequest, Feature, str]] = [
    (question("hi"), Feature.CHAT, "messages"),
    (
        request_for((Message("user", "a"), Message("user", "b", name="Ada"))),
        Feature.NAMES,
        "messages[1].name",
    ),
    (request_for("hi", choices=2), Feature.CHOICES, "choices"),
    (request_for("hi", top_logprobs=0), Feature.TOP_LOGPROBS, "top_logprobs"),
    (request_for("hi", logit_bias={1: 1.0}), Feature.LOGIT_BIAS, "logit_bias"),
    (
        replace(request_for("hi"), response_format=JsonObject()),
        Feature.RESPONSE_FORMAT,
        "response_format",
    ),
    (
        replace(request_for("hi"), response_format=Regex("a")),
        Feature.GRAMMAR,
        "response_format.grammar",
    ),
    (replace(request_for("hi"), tools=(Tool("f"),)), Feature.TOOLS, "tools"),
    (replace(request_for("hi"), tool_choice="required"), Feature.TOOLS, "tool_choice"),
    (request_for((Message("tool", "1"),)), Feature.TOOLS, "messages[0].role"),
    (
        request_for((Message("assistant", "", tool_calls=(ToolCall("1", "f", "{}"),)),)),
        Feature.TOOLS,
        "messages[0].tool_calls",
    ),
]


def refused(check: Callable[[], None]) -> HeadraceError | None:
    try:
        check()
    except HeadraceError as error:
        return error
    return None


@pytest.mark.parametrize(("wanted", "feature", "param"), ASKING)
def test_what_is_not_promised_is_refused_and_named(
    wanted: GenerationRequest, feature: Feature, param: str
) -> None:
    everything = frozenset(Feature)
    assert refused(lambda: Capabilities(everything).check(wanted)) is None
    error = refused(lambda: Capabilities(everything - {feature}).check(wanted))
    assert error
    assert (error.reason, error.param) == (Reason.UNSUPPORTED_PARAMETER, param)
    assert str(error).startswith(f"{param}: ")


def test_a_plain_request_asks_for_nothing_special() -> None:
    plain = replace(request_for("hi", stop=("x",), seed=1), tool_choice="auto")
    assert refused(lambda: Capabilities().check(plain)) is None


def test_a_model_for_embeddings_does_not_generate_and_the_other_way_round() -> None:
    embedder = Capabilities(generates=False, embedding_dimensions=8)
    assert "embeddings only" in str(refused(lambda: embedder.check(request_for("hi"))))
    assert refused(embedder.check_embedding) is None
    assert "no embeddings" in str(refused(Capabilities().check_embedding))


def test_tokens_are_told_only_where_there_is_a_tokenizer() -> None:
    assert "tokens" in str(refused(lambda: Capabilities(tokenizes=False).check_prompt("hi")))
    assert refused(lambda: Capabilities().check_prompt("hi")) is None
