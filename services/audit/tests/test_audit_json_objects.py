"""Only objects that mean one thing and that PostgreSQL takes are accepted as sides of a change."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_audit.domain.json_objects import (
    BAD_STRING,
    MAXIMUM_BYTES,
    MAXIMUM_LEVELS,
    NO_OBJECT,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY_DIGITS,
    TWICE,
    broken_rule,
)
from headrace_audit.testing import EXTREME_OBJECTS

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)

BROKEN = [
    ("", NO_OBJECT),
    ("null", NO_OBJECT),
    ("[{}]", NO_OBJECT),
    ('"{}"', NO_OBJECT),
    ("{'a': 1}", NO_OBJECT),
    ('{"a": 1,}', NO_OBJECT),
    ('{"a": 1} {}', NO_OBJECT),
    ('{"a": 01}', NO_OBJECT),
    ('{"a": NaN}', NO_OBJECT),
    ('{"a": -Infinity}', NO_OBJECT),
    ('{"a": "line\nbreak"}', NO_OBJECT),
    ("\ufeff{}", NO_OBJECT),
    ('{"a": "\ud800"}', BAD_STRING),
    (r'{"a": "\ud800"}', BAD_STRING),
    (r'{"a": ["\u0000"]}', BAD_STRING),
    (r'{"a": {"\u0000": 1}}', BAD_STRING),
    (r'{"a": "\u0000", "a": 1}', TWICE),
    (r'{"b": {"a": 1, "\u0061": 1}}', TWICE),
    ('{"a": 1e1000}', TOO_MANY_DIGITS),
    ('{"a": 1e-1001}', TOO_MANY_DIGITS),
    ('{"a": 1e99999999999999999999999}', TOO_MANY_DIGITS),
    ('{"a": -1e-9999999999999999999999}', TOO_MANY_DIGITS),
    ('{"a": %s}' % ("9" * 5000), TOO_MANY_DIGITS),
    ('{"a": 0.%s}' % ("9" * 1001), TOO_MANY_DIGITS),
    ('{"a": %s}' % ("[" * MAXIMUM_LEVELS + "]" * MAXIMUM_LEVELS), TOO_DEEP),
    ('{"a":' * 2500 + "1" + "}" * 2500, TOO_DEEP),
    ('{"a": "%s"}' % ("x" * (MAXIMUM_BYTES - 8)), TOO_LONG),
    ('{"a": "%s"}' % ("\N{GRINNING FACE}" * (MAXIMUM_BYTES // 4)), TOO_LONG),
]


@pytest.mark.parametrize(("text", "rule"), BROKEN, ids=[text[:40] for text, _ in BROKEN])
def test_the_broken_rule_is_named(text: str, rule: str) -> None:
    assert broken_rule(text) == rule


@pytest.mark.parametrize("text", EXTREME_OBJECTS, ids=[text[:40] for text in EXTREME_OBJECTS])
def test_what_just_fits_is_accepted(text: str) -> None:
    assert broken_rule(text) is None


@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.booleans())
def test_every_ordinary_object_is_accepted(value: dict[str, object], escaped: bool) -> None:
    assert broken_rule(json.dumps(value, ensure_ascii=escaped)) is None


@given(st.text(st.sampled_from('{}[]":,0123456789eE+-.\\u \0\ud800atrufalsn')))
def test_no_text_does_more_than_break_a_rule(text: str) -> None:
    assert broken_rule(text) in {None, NO_OBJECT, BAD_STRING, TOO_MANY_DIGITS, TWICE}
