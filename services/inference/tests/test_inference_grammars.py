"""Regular expressions and grammars: compiled before they are used, and held by the answer."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.forms.checker import PARAM, FormChecker
from headrace_inference.adapters.forms.grammar_child import text_fits
from headrace_inference.adapters.forms.grammar_process import WAITING_LIMIT
from headrace_inference.adapters.forms.grammars import grammar_of
from headrace_inference.adapters.llamacpp.tools import call_grammar
from headrace_inference.domain.events import ChoiceFinished, Delta, EngineEvent, FinishReason
from headrace_inference.domain.requests import (
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    ResponseFormat,
    Sampling,
    Tool,
)

SUM = Grammar('start: number ("+" number)*\nnumber: /[0-9]+/')
GROWING = Grammar('start: (("a"{1,1000}){1,1000}){1,1000}')
"""Compiles, and outgrows the limits when it is followed."""
HEAVY = JsonSchema(
    json.dumps(
        {
            "allOf": [
                {"type": "string", "pattern": f"(.*{first}.*{last}){{6}}"}
                for first in "abcdefgh"
                for last in "ijkl"
            ]
        }
    )
)
"""Does not compile in many seconds, nor in hundreds of megabytes."""


@pytest_asyncio.fixture
async def checker() -> AsyncIterator[FormChecker]:
    checker = FormChecker()
    yield checker
    await checker.close()


async def refusal(checker: FormChecker, form: ResponseFormat) -> str:
    try:
        await checker.check_form(form, "o")
    except HeadraceError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    "form", [SUM, Regex("a/b|[/\\\\]\n"), Regex(r"\d{3}\/x"), Regex("é+"), Grammar('start: "%"')]
)
async def test_what_can_be_enforced_passes(checker: FormChecker, form: Regex | Grammar) -> None:
    assert await refusal(checker, form) == ""


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (Regex("("), "cannot be enforced"),
        (Regex("a(?=b)"), "cannot be enforced"),
        (Grammar("start: nothing"), "cannot be enforced"),
        (Grammar("other: /a/"), "cannot be enforced"),
        (Grammar('start: %json {"type": "string"}'), "%json"),
        (Grammar("%llguidance {}\nstart: /a/"), "%llguidance"),
        (Grammar("start: <[10813]>+"), r"<\["),
        (Regex(r"(?-u:\xf0\x9f)+"), "cannot be enforced"),
    ],
)
async def test_what_cannot_be_enforced_is_refused(
    checker: FormChecker, form: Regex | Grammar, says: str
) -> None:
    with pytest.raises(HeadraceError, match=says) as caught:
        await checker.check_form(form, "o")
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param in ("response_format.regex", "response_format.grammar")


def test_a_slash_does_not_end_an_expression() -> None:
    form = Regex('a/\nstart2: "x"\nb: /c')
    assert not text_fits(grammar_of(form), "a", whole=True)


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
    assert text_fits(grammar_of(form), text, whole=whole) is fit


@given(st.text(alphabet="ab/\\\n .", min_size=1, max_size=8))
def test_an_expression_means_the_same_as_elsewhere(text: str) -> None:
    assert text_fits(grammar_of(Regex(re.escape(text))), text, whole=True)
    assert grammar_of(Regex(re.escape(text))).startswith("%llguidance {}\nstart: /")


async def written(*pieces: str, reason: FinishReason) -> AsyncGenerator[EngineEvent, None]:
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
    checker: FormChecker,
    pieces: tuple[str, ...],
    reason: FinishReason,
    stop: tuple[str, ...],
    holds: bool,
) -> None:
    request = GenerationRequest("r", "o", "m", "p", Sampling(stop=stop), response_format=SUM)
    events = checker.verified(request, written(*pieces, reason=reason))
    if holds:
        assert [event async for event in events][-1] == ChoiceFinished(0, reason, len(pieces))
    else:
        with pytest.raises(HeadraceError, match="lost its response_format") as caught:
            assert [event async for event in events] == []
        assert caught.value.reason is Reason.ENGINE_FAILED


async def test_the_checker_names_the_form(checker: FormChecker) -> None:
    assert "response_format.regex" in await refusal(checker, Regex("("))
    assert PARAM in await refusal(checker, JsonSchema(json.dumps({"type": "foo"})))
    assert await refusal(checker, JsonObject()) == ""


async def test_a_schema_that_takes_too_long_is_refused_and_delays_others_only_so_long(
    checker: FormChecker,
) -> None:
    async with asyncio.timeout(30):
        heavy = [asyncio.ensure_future(refusal(checker, HEAVY)) for _ in range(8)]
        while not any(task.done() for task in heavy):
            await asyncio.wait(heavy, return_when=asyncio.FIRST_COMPLETED)
        await checker.check_form(SUM, "another tenant")
        request = GenerationRequest("r", "o", "m", "p", Sampling(), response_format=SUM)
        events = checker.verified(request, written("1", reason=FinishReason.STOP))
        assert len([event async for event in events]) == 2
    assert sum(task.done() for task in heavy) <= 2, "tenants take turns"
    for task in heavy:
        task.cancel()
    said = await asyncio.gather(*heavy, return_exceptions=True)
    assert said[0] == f"{PARAM} takes too much time or memory to compile"


BUSY = json.dumps(
    {
        "type": "object",
        "allOf": [
            {"anyOf": [{"properties": {f"k{key}": {"const": value}}} for value in range(4)]}
            for key in range(5)
        ],
    }
)
"""Compiles; eight of it together do not."""


async def test_tools_that_are_too_much_together_are_refused_by_name(
    checker: FormChecker,
) -> None:
    tools = [Tool(f"tool_{number}", "", BUSY) for number in range(8)]
    await checker.check(BUSY, "o", "tools[0].parameters")
    await checker.check_calls(call_grammar(tools[:1]), ["tool_0"], "o")
    names = [tool.name for tool in tools]
    with pytest.raises(HeadraceError) as caught:
        await checker.check_calls(call_grammar(tools), names, "o")
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "tools")
    assert caught.value.message.startswith(f"tools ({', '.join(names)} together) ")
    assert "panic" not in caught.value.message


async def test_a_tenant_that_asks_for_too_much_at_once_is_told_to_wait(
    checker: FormChecker,
) -> None:
    asked = [checker.check_form(SUM, "o") for _ in range(WAITING_LIMIT + 1)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert told[:-1] == [None] * WAITING_LIMIT
    assert isinstance(told[-1], HeadraceError)
    assert (told[-1].reason, told[-1].param) == (Reason.QUEUE_FULL, None)
    assert told[-1].retry_after_seconds is not None
