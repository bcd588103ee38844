"""The screen: what leaves depends on the text alone, however it is cut, and is never a match."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_gateway.domain.detectors import DETECTORS, Detector
from headrace_gateway.domain.rules import Action, Rule, RuleSet
from headrace_gateway.domain.screen import MAXIMUM_LOOKALIKES, Screen, Screened, screen_whole

WINDOW = 8
SOURCES = ["ab", "a+b", "ba{0,2}-", r"\ba\b", "(?:a|b-)+c", "c.*c", "ca?", "[ab]{3}", "b中*", "-+"]
TEXTS = st.text(alphabet="aabbc-. 中", max_size=40)
ACTIONS: tuple[Action, ...] = ("mask", "block", "flag")
RULES = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.sampled_from(ACTIONS)), min_size=1, max_size=4
)


def rule_set(rules: Iterable[tuple[str, Action]], window: int = WINDOW) -> RuleSet:
    return RuleSet(
        (Rule(f"r{at}", action, Detector(source)) for at, (source, action) in enumerate(rules)),
        window,
    )


def cut(text: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=len(text))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(RULES, TEXTS, st.data())
def test_what_leaves_is_the_same_however_a_text_is_cut(
    rules: list[tuple[str, Action]], text: str, data: st.DataObject
) -> None:
    compiled = rule_set(rules)
    whole, pieces = Screen(compiled), Screen(compiled)
    expected = whole.push(text) + whole.flush()
    released, seen = "", 0
    for piece in cut(text, data):
        released += pieces.push(piece)
        seen += len(piece)
        assert pieces.blocked or seen - pieces.passed <= WINDOW
        assert expected.startswith(released)
    assert released + pieces.flush() == expected
    assert pieces.blocked == whole.blocked
    assert sorted(pieces.decisions) == sorted(whole.decisions)
    assert pieces.masked == whole.masked


FRAGMENTS = st.sampled_from(
    [
        *(
            "4111",
            " ",
            "1111",
            "-",
            "111",
            "1",
            "DE89",
            "3704 0044",
            "0532 0130 00",
            "ann",
            "@",
            ".",
        ),
        *("example", "com", "+49", "138", "0013", "8000", "110105", "19491231", "002X", "eyJhbGci"),
        *(
            "OiJIUzI1NiJ9",
            "sk-",
            "Zz9Zz9Zz9Zz9Zz9Zz9",
            "密码",
            "=",
            "谢谢",
            "-----BEGIN ",
            "KEY-----",
        ),
    ]
)
EVERYTHING = [Rule(name, "mask", detector) for name, detector in DETECTORS.items()]


@given(st.lists(FRAGMENTS, max_size=30).map("".join), st.sampled_from([24, 64, 1024]), st.data())
def test_what_detectors_mask_is_the_same_however_a_text_is_cut(
    text: str, window: int, data: st.DataObject
) -> None:
    compiled = RuleSet(EVERYTHING, window)
    whole, pieces = Screen(compiled), Screen(compiled)
    expected = whole.push(text) + whole.flush()
    assert "".join(pieces.push(piece) for piece in cut(text, data)) + pieces.flush() == expected
    assert (pieces.blocked, pieces.masked) == (whole.blocked, whole.masked)
    screened = screen_whole(compiled, text)
    assert (screened.text if screened else text) == expected


def matches(source: str, text: str) -> list[tuple[int, int]]:
    """By trying: of all places the longest match within the window, none within another."""
    found, at = [], 0
    while at < len(text):
        ends = range(min(len(text), at + WINDOW), at, -1)
        pattern = re.compile(source)
        end = next((e for e in ends if (m := pattern.match(text, at, e)) and m.end() == e), at)
        if end > at:
            found.append((at, end))
        at = max(at + 1, end)
    return found


BOUNDED = ["ab", "ba{0,2}-", "[ab]{3}", "ca?", "(?:ab|b-){1,2}c"]


@given(st.sampled_from(BOUNDED), TEXTS)
def test_masks_replace_exactly_the_matches(source: str, text: str) -> None:
    screen = Screen(rule_set([(source, "mask")]))
    expected, left = "", 0
    for start, end in matches(source, text):
        expected += text[left:start] + "[r0]"
        left = end
    assert screen.push(text) + screen.flush() == expected + text[left:]
    assert not screen.blocked


@given(st.sampled_from(BOUNDED), TEXTS, st.data())
def test_a_block_lets_out_all_before_the_match_and_nothing_of_it(
    source: str, text: str, data: st.DataObject
) -> None:
    found = matches(source, text)
    screen = Screen(rule_set([(source, "block")]))
    released = "".join(screen.push(piece) for piece in cut(text, data)) + screen.flush()
    assert released == (text[: found[0][0]] if found else text)
    assert screen.blocked == bool(found)


@given(st.lists(st.text(alphabet="AKIhr_gp- abc", max_size=6)))
def test_harmless_text_arrives_whole(chunks: list[str]) -> None:
    rules = [Rule(name, "block", DETECTORS[name]) for name in ("aws-access-key", "github-token")]
    screen = Screen(RuleSet(rules, 1024))
    released = "".join(map(screen.push, chunks))
    assert released + screen.flush() == "".join(chunks)


def test_ordinary_words_are_not_held_back() -> None:
    screen = Screen(RuleSet([Rule("aws", "block", DETECTORS["aws-access-key"])], 1024))
    words = ["The ", "answer ", "is ", "42."]
    assert [screen.push(word) for word in words] == words


def test_overlapping_matches_are_masked_as_one_and_a_block_within_ends_all() -> None:
    masked = Screen(rule_set([("abc", "mask"), ("cde", "mask"), ("ef", "mask")]))
    assert masked.push("1abcdef2") + masked.flush() == "1[r0]2"
    assert masked.masked == [(1, 4), (3, 6), (5, 7)]
    ended = Screen(rule_set([("abc", "mask"), ("cd", "block")]))
    assert ended.push("1abcd2") + ended.flush() == "1[r0]"
    assert ended.decisions == ["r0:mask", "r1:block"]


def test_where_two_begin_together_a_block_goes_before_a_mask() -> None:
    screen = Screen(rule_set([("abc", "mask"), ("ab", "block")]))
    assert screen.push("1abc") + screen.flush() == "1"
    assert screen.decisions == ["r1:block"]


@pytest.mark.parametrize(("tail", "blocked"), [("b" * 5, False), ("b" * 6, True), ("b" * 90, True)])
def test_a_mask_that_outgrows_the_window_ends_the_text(tail: str, blocked: bool) -> None:
    """Of `ab+` eight characters fit; of one that goes on nobody knows where it ends."""
    screen = Screen(rule_set([("a:b+", "mask")]))
    released = screen.push("1a:" + tail + ".") + screen.flush()
    fits = len("a:" + tail) < WINDOW
    assert screen.blocked == blocked == (not fits)
    assert released == ("1" if blocked else "1[r0].")


def test_a_beginning_that_outgrows_the_window_is_no_match() -> None:
    screen = Screen(rule_set([("a.*z", "block")]))
    text = "a" + "." * 20 + "z"
    assert screen.push(text) + screen.flush() == text
    assert not screen.blocked


def test_what_is_allowed_is_no_match_but_only_from_end_to_end() -> None:
    rule = Rule("mail", "mask", DETECTORS["email"], allow=(r"[a-z]+@example\.com",))
    text = "ann@example.com bob@example.com.evil.org"
    screened = screen_whole(RuleSet([rule], 64), text)
    assert screened is not None
    assert screened.text == "ann@example.com [mail]"
    assert screened.decisions == ["mail:mask"]


def test_a_crowd_of_look_alikes_counts_as_a_match_in_the_end() -> None:
    """Checking costs time: who sends thousands of false ones does not get the last ones checked."""
    rules = RuleSet([Rule("card", "block", DETECTORS["payment-card"])], 1024)
    false = "4111111111111112 "
    few = screen_whole(rules, false * MAXIMUM_LOOKALIKES)
    many = screen_whole(rules, false * (MAXIMUM_LOOKALIKES + 1))
    assert few == Screened(false * MAXIMUM_LOOKALIKES, [], blocked=False, masked=False)
    assert many is not None
    assert many.blocked


def test_a_text_without_matches_is_not_touched() -> None:
    assert screen_whole(rule_set([("xyz", "mask")]), "nothing to see") is None


@given(RULES, TEXTS)
def test_a_whole_text_is_decided_about_as_a_stream_is(
    rules: list[tuple[str, Action]], text: str
) -> None:
    screen = Screen(rule_set(rules))
    streamed = screen.push(text) + screen.flush()
    whole = screen_whole(rule_set(rules), text) or Screened(text, [], blocked=False, masked=False)
    assert (whole.text, whole.blocked) == (streamed, screen.blocked)
    assert screen.blocked or sorted(whole.decisions) == sorted(screen.decisions)
