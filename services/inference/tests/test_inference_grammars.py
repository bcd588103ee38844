"""Regular expressions and grammars: compiled before they are used, and held by the answer."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint
from headrace_inference.adapters.grammars import check_grammar, fits, grammar_of
from headrace_inference.adapters.json_schemas import SchemaChecker
from headrace_inference.domain.events import ChoiceFinished, Delta, EngineEvent, FinishReason
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    ResponseFormat,
    Sampling,
)

SUM = Grammar('start: number ("+" number)*\nnumber: /[0-9]+/')
GROWING = Grammar('start: (("a"{1,1000}){1,1000}){1,1000}')
"""Compiles, and outgrows the limits when it is followed."""


@pytest.mark.parametrize(
    "form", [SUM, Regex("a/b|[/\\\\]\n"), Regex(r"\d{3}\/x"), Regex("é+"), Grammar('start: "%"')]
)
def test_what_can_be_enforced_passes(form: Regex | Grammar) -> None:
    assert complaint(check_grammar, form) == ""


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (Regex("("), "cannot be enforced"),
        (Regex("a(?=b)"), "cannot be enforced"),
        (Regex('a/\nstart2: "x"\nb: /c'), ""),
        (Grammar("start: nothing"), "cannot be enforced"),
        (Grammar("other: /a/"), "cannot be enforced"),
        (Grammar('start: %json {"type": "string"}'), "%json"),
        (Grammar("%llguidance {}\nstart: /a/"), "%llguidance"),
    ],
)
def test_what_cannot_be_enforced_is_refused(form: Regex | Grammar, says: str) -> None:
    if not says:
        assert not fits(form, "a", whole=True), "a slash must not end the expression"
        return
    with pytest.raises(HeadraceError, match=says) as caught:
        check_grammar(form)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param in ("response_format.regex", "response_format.grammar")


@pytest.mark.parametrize(
    ("form", "text", "whole", "fit"),
    [
        (SUM, "12+3", True, True),
        (SUM, "12+", True, False),
        (SUM, "12+", False, True),
        (SUM, "12-3", False, False),
        (Regex("a/b"), "a/b", True, True),
        (Regex("a\nb"), "a\nb", True, True),
        (Regex("é{2}"), "éé", True, True),
        (JsonObject(), '{"a": 1}', True, True),
        (JsonObject(), "[1]", True, False),
        (JsonSchema('{"type": "integer"}'), "12", True, True),
        (JsonSchema('{"type": "integer"}'), "free text", True, False),
        (GROWING, "a" * 50, False, False),
    ],
)
def test_a_text_fits_or_not(form: ResponseFormat, text: str, whole: bool, fit: bool) -> None:
    assert fits(form, text, whole=whole) is fit


@given(st.text(alphabet="ab/\\\n .", min_size=1, max_size=8))
def test_an_expression_means_the_same_as_elsewhere(text: str) -> None:
    assert fits(Regex(re.escape(text)), text, whole=True)
    assert grammar_of(Regex(re.escape(text))).startswith("%llguidance {}\nstart: /")


async def written(*pieces: str, reason: FinishReason) -> AsyncIterator[EngineEvent]:
    for piece in pieces:
        yield Delta(0, piece, 1)
    yield ChoiceFinished(0, reason, len(pieces))


@pytest.mark.parametrize(
    ("pieces", "reason", "stop", "holds"),
    [
        (("1", "+2"), FinishReason.STOP, (), True),
        (("1", "+"), FinishReason.LENGTH, (), True),
        (("1", "+"), FinishReason.STOP, ("2",), True),
        (("1", "+"), FinishReason.STOP, (), False),
        (("free", " text"), FinishReason.LENGTH, (), False),
    ],
)
async def test_an_answer_that_lost_its_form_is_a_failure(
    pieces: tuple[str, ...], reason: FinishReason, stop: tuple[str, ...], holds: bool
) -> None:
    checker = SchemaChecker()
    request = GenerationRequest("r", "o", "m", "p", Sampling(stop=stop), response_format=SUM)
    events = checker.verified(request, written(*pieces, reason=reason))
    if holds:
        assert [event async for event in events][-1] == ChoiceFinished(0, reason, len(pieces))
    else:
        with pytest.raises(HeadraceError, match="lost its response_format") as caught:
            assert [event async for event in events] == []
        assert caught.value.reason is Reason.ENGINE_FAILED
    checker.close()


async def test_the_checker_names_the_form() -> None:
    checker = SchemaChecker()
    with pytest.raises(HeadraceError, match=r"response_format\.regex"):
        await checker.check_form(Regex("("))
    with pytest.raises(HeadraceError, match=r"response_format\.json_schema"):
        await checker.check_form(JsonSchema(json.dumps({"type": "foo"})))
    await checker.check_form(JsonObject())
    checker.close()
