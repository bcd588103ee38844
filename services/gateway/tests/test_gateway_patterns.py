"""Patterns: what counts as a whole match, and what may still become one."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_gateway.domain.patterns import Pattern, PatternError, PatternSet

ATOMS = st.sampled_from(["a", "b", "[ab]", "-", r"\.", r"[^a-y\s]", "中", r"\x{61}"])
REPEATS = st.sampled_from(["*", "+", "?", "{0,2}", "{2}", "{1,3}", "{2,}", "+?"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}){}".format, inner, REPEATS),
    )


SOURCES = st.recursive(ATOMS, _larger, max_leaves=6)


def _usable(sources: list[str]) -> list[Pattern]:
    """Those that do not match the empty text."""
    patterns = []
    for source in sources:
        try:
            patterns.append(Pattern(source))
        except PatternError:
            continue
    return patterns


@given(SOURCES, st.lists(SOURCES, max_size=2), st.data())
def test_every_match_is_found_and_every_beginning_of_one_is_undecided(
    source: str, others: list[str], data: st.DataObject
) -> None:
    patterns = _usable([source])
    assume(patterns)
    together = PatternSet([*_usable(others), *patterns])
    python = re.compile(source.replace(r"\x{61}", "a"))
    match = data.draw(st.from_regex(python, fullmatch=True).filter(bool))
    before = data.draw(st.text(alphabet="xy ", max_size=5))
    assert together.matches(before + match)
    assert not together.is_clean(before + match)
    for length in range(1, len(match)):
        assert together.undecided_from(before + match[:length]) <= len(before)
        assert not together.is_clean(before + match[:length])


@given(st.lists(SOURCES, max_size=4), st.text(alphabet="ab-.中x", max_size=12))
def test_patterns_find_together_what_each_finds_alone(sources: list[str], text: str) -> None:
    patterns = _usable(sources)
    alone = [PatternSet([pattern]) for pattern in patterns]
    together = PatternSet(patterns)
    assert together.matches(text) == any(pattern.search(text) for pattern in patterns)
    alone_match = {at for at, pattern in enumerate(patterns) if pattern.search(text)}
    assert not together.matches(text) or alone_match <= set(together.which(text))
    first = min((one.undecided_from(text) for one in alone), default=len(text))
    assert together.undecided_from(text) == first
    assert together.is_clean(text) == (first == len(text) and not together.matches(text))


@pytest.mark.parametrize(
    ("source", "text", "undecided"),
    [
        ("AKIA[0-9A-Z]{16}", "plain", 5),
        ("AKIA[0-9A-Z]{16}", "key: AK", 5),
        ("AKIA[0-9A-Z]{16}", "AKIAAKIA", 0),
        ("AKIA[0-9A-Z]{16}", "AKIA-", 5),
        ("AKIA[0-9A-Z]{16}", "A A", 2),
        ("AKIA[0-9A-Z]{16}", "AKIA" + "7" * 16, 20),  # whole, and nothing can make it longer
        ("a+", "baa", 1),  # whole, and it may become longer
        (r"\bcat\b", "a cat", 2),  # only what follows tells whether a word ends here
        (r"\bcat\b", "a cat ", 6),
        (r"\bcat\b", "concat", 6),
        ("(?:red|green) apple", "a gre", 2),
        ("(?:red|green) apple", "a green a", 2),
        ("(?:red|green) apple", "a grey", 6),
        ("(?i:red)", "RE", 0),
        ("x(?:ab){2,3}", "xab", 0),
        ("x(?:ab){2,3}", "xababab", 7),
        ("", "", 0),
    ],
)
def test_only_what_may_go_on_at_the_end_is_undecided(
    source: str, text: str, undecided: int
) -> None:
    patterns = [Pattern(source)] if source else []
    assert PatternSet(patterns).undecided_from(text) == undecided


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (r"[[:digit:]a-c]{2,3}-[]x]", "1a-]"),
        (r"[^[:space:]\]]+\]", "ab]"),
        (r"(?P<name>ab|a)(?<other>c)", "abc"),
        (r"(?i:a(?-i:b))C", "AbC"),
        (r"a{,2}", "a{,2}"),
        (r"a{1", "a{1"),
        (r"\x41\x{4e2d}\101", "A中A"),
        (r"\pN\p{Han}\P{L}", "1中-"),
        (r"(?:|a)b|cd", "cd"),
        (r"a.\.\{\|\)", "ax.{|)"),
        (r"(?s:a.b)", "a\nb"),
        (r"(?:x(?:y(?:z)?)?){2,}q", "xyzxxyq"),
        (r"\d+(?:\.\d+)*\s?%", "1.23.4 %"),
        (r"a\Bb\b", "ab"),
    ],
)
def test_all_of_the_syntax_has_its_beginnings(source: str, match: str) -> None:
    pattern = PatternSet([Pattern(source)])
    assert pattern.matches(f" {match} ")
    for length in range(1, len(match)):
        assert pattern.undecided_from(f" {match[:length]}") == 1


def test_of_matches_that_begin_at_one_place_the_longest_is_found() -> None:
    assert Pattern("a|ab|abc").search("xabcd") == (1, 4)
    assert Pattern("a+?").search("aaa") == (0, 3)
    assert Pattern("a|ab|abc").match("xabcd", 1, 3) == (1, 3)
    assert Pattern("abc").match("xabcd", 1, 3) is None


def test_what_awaits_the_next_character_is_undecided_until_it_comes() -> None:
    pattern = PatternSet([Pattern("AB", awaits_next=True)])
    assert pattern.undecided_from("AB") == 0
    assert pattern.undecided_from("AB.") == 3


def test_case_is_ignored_only_on_request() -> None:
    assert Pattern("ignore", ignore_case=True).search("IGNORE it")
    assert not Pattern("ignore").search("IGNORE it")


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("(", "missing"),
        ("a(?=b)", "invalid"),
        (r"(a)\1", "invalid escape"),
        ("a*", "empty text"),
        (r"x*\b", "empty text"),
        ("^a", "`^` is not allowed"),
        (r"a\z", "is not allowed"),
        (r"\Qa.b\E", "is not allowed"),
        (r"\C", "is not allowed"),
        ("(?i)a", "ignore_case"),
        ("a{1001}", "repetition"),
        ("(" * 51 + "a" + ")" * 51, "deep"),
        ("(?:[a-z]{1,30}){1,40}", "repetition"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_rule(source: str, rule: str) -> None:
    with pytest.raises(PatternError, match=re.escape(rule)):
        Pattern(source)
