"""Forms of answers as grammars of llguidance, by which llama.cpp writes."""

import json
import re

from llguidance import LLMatcher, LLTokenizer

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.domain.requests import (
    Grammar,
    JsonObject,
    JsonSchema,
    Regex,
    ResponseFormat,
)

HEADER = "%llguidance {}\n"
ANY_OBJECT = '{"type": "object"}'
DIRECTIVES = ("%llguidance", "%json")
"""What a caller's grammar must not have: options, and schemas past the bounds of theirs."""
IN_SLASHES = re.compile(r"\\.|/|\n", re.DOTALL)


def grammar_of(form: ResponseFormat) -> str:
    """The whole grammar."""
    match form:
        case JsonSchema(schema):
            return f"{HEADER}start: %json {json.dumps(json.loads(schema))}"
        case JsonObject():
            return f"{HEADER}start: %json {ANY_OBJECT}"
        case Regex(pattern):
            return f"{HEADER}start: /{IN_SLASHES.sub(_escaped, pattern)}/"
        case Grammar(lark):
            return HEADER + lark


def check_grammar(form: Regex | Grammar) -> None:
    """Raise INVALID_FIELD for one that cannot be compiled, which llama.cpp would only log."""
    is_regex = isinstance(form, Regex)
    param = "response_format.regex" if is_regex else "response_format.grammar"
    if isinstance(form, Grammar):
        for directive in DIRECTIVES:
            if directive in form.lark:
                raise HeadraceError(
                    Reason.INVALID_FIELD, f"{param} must not have {directive}", param=param
                )
    complaint = LLMatcher.validate_grammar(grammar_of(form), None)
    if complaint:
        what = complaint.splitlines()[0]
        raise HeadraceError(
            Reason.INVALID_FIELD, f"{param} cannot be enforced: {what}", param=param
        )


def fits(form: ResponseFormat, text: str, *, whole: bool) -> bool:
    """Whether a text has the form, or, if it is not `whole`, may become one that has.

    A grammar that grows too large for the compiler's limits while it is followed fits nothing.
    """
    matcher = LLMatcher(LLTokenizer("byte"), grammar_of(form), log_level=0)
    if not matcher.consume_tokens(list(text.encode())):
        return False
    return not whole or bool(matcher.is_accepting())


def _escaped(found: re.Match[str]) -> str:
    return {"/": r"\/", "\n": r"\n", "\\\n": r"\n"}.get(found[0], found[0])
