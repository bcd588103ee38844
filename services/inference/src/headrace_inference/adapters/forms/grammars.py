"""Forms of answers as grammars of llguidance, by which llama.cpp writes."""

import json
import re

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
DIRECTIVES = ("%llguidance", "%json", "<[")
"""What a caller's grammar must not have: options, schemas past the bounds of theirs, and tokens by
their numbers, which need not be text."""
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


def check_directives(grammar: Grammar, param: str) -> None:
    """Raise INVALID_FIELD for a grammar that has one of DIRECTIVES."""
    for directive in DIRECTIVES:
        if directive in grammar.lark:
            raise HeadraceError(
                Reason.INVALID_FIELD, f"{param} must not have {directive}", param=param
            )


def _escaped(found: re.Match[str]) -> str:
    return {"/": r"\/", "\n": r"\n", "\\\n": r"\n"}.get(found[0], found[0])
