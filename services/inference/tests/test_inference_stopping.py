"""Stop texts are found wherever the pieces split them, and nothing else is held back for good."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.domain.stopping import StopScanner

PIECES = st.lists(st.text("abc", max_size=4), max_size=12)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=4).map(tuple)


def scan(pieces: list[str], stops: tuple[str, ...]) -> tuple[str, bool]:
    scanner, out = StopScanner(stops), ""
    for piece in pieces:
        text, stopped = scanner.feed(piece)
        out += text
        if stopped:
            return out, True
    return out + scanner.flush(), False


def reference(pieces: list[str], stops: tuple[str, ...]) -> tuple[str, bool]:
    seen = ""
    for piece in pieces:
        seen += piece
        starts = [seen.find(stop) for stop in stops if stop in seen]
        if starts:
            return seen[: min(starts)], True
    return seen, False


@given(PIECES, STOPS)
def test_it_equals_a_search_in_the_whole_text(pieces: list[str], stops: tuple[str, ...]) -> None:
    assert scan(pieces, stops) == reference(pieces, stops)


@given(PIECES)
def test_without_stop_texts_everything_passes_at_once(pieces: list[str]) -> None:
    scanner = StopScanner(())
    assert [scanner.feed(piece) for piece in pieces] == [(piece, False) for piece in pieces]


def test_only_what_may_begin_a_stop_text_is_held() -> None:
    scanner = StopScanner(("END",))
    assert scanner.feed("the E") == ("the ", False)
    assert scanner.feed("N") == ("", False)
    assert scanner.feed("X") == ("ENX", False)
    assert scanner.feed("-EN") == ("-", False)
    assert scanner.feed("D tail") == ("", True)
