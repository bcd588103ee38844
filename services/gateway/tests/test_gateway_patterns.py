"""Stream patterns: what counts as a whole match, and what may still become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_gateway.domain.patterns import PatternSet, Piece, Repeat, StreamPattern, Text

PIECES: st.SearchStrategy[list[Piece]] = st.lists(
    st.one_of(
        st.builds(Text, st.text(alphabet="ab-.*", min_size=1, max_size=3)),
        st.integers(0, 2).flatmap(
            lambda least: st.builds(
                Repeat, st.just("[ab]"), st.just(least), st.integers(max(1, least), 4)
            )
        ),
    ),
    min_size=1,
    max_size=4,
)


def _a_match(pieces: list[Piece], data: st.DataObject) -> str:
    text = ""
    for piece in pieces:
        if isinstance(piece, Text):
            text += piece.characters
        else:
            count = data.draw(st.integers(piece.least, piece.most))
            text += data.draw(st.text(alphabet="ab", min_size=count, max_size=count))
    return text


@given(PIECES, st.data())
def test_every_match_is_found_and_every_beginning_of_one_is_undecided(
    pieces: list[Piece], data: st.DataObject
) -> None:
    pattern = StreamPattern(pieces)
    together = PatternSet([StreamPattern(data.draw(PIECES)), pattern])
    match = _a_match(pieces, data)
    before = data.draw(st.text(alphabet="xy ", max_size=5))
    assert pattern.matches(before + match)
    assert together.matches(before + match)
    for length in range(1, len(match)):
        assert together.undecided_from(before + match[:length]) <= len(before)


@given(st.lists(PIECES, max_size=4), st.text(alphabet="ab-.*x", max_size=12))
def test_patterns_find_together_what_each_finds_alone(rows: list[list[Piece]], text: str) -> None:
    patterns = [StreamPattern(pieces) for pieces in rows]
    alone = [PatternSet([pattern]) for pattern in patterns]
    together = PatternSet(patterns)
    assert together.matches(text) == any(pattern.matches(text) for pattern in patterns)
    first = min((one.undecided_from(text) for one in alone), default=len(text))
    assert together.undecided_from(text) == first


@pytest.mark.parametrize(
    ("text", "undecided"),
    [("plain", 5), ("key: AK", 5), ("AKIAAKIA", 0), ("AKIA-", 5), ("", 0), ("A A", 2)],
)
def test_only_a_possible_beginning_at_the_end_is_undecided(text: str, undecided: int) -> None:
    pattern = PatternSet([StreamPattern((Text("AKIA"), Repeat("[0-9A-Z]", 16, 16)))])
    assert pattern.undecided_from(text) == undecided


def test_case_is_ignored_only_on_request() -> None:
    assert StreamPattern((Text("ignore"),), ignore_case=True).matches("IGNORE it")
    assert not StreamPattern((Text("ignore"),)).matches("IGNORE it")
