"""New passwords: what is refused, that nothing else is, and how known ones are found."""

import string
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_auth.domain.password_policy import (
    check_new_password,
    normalize_password,
    spellings,
)
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.rules import complaint

EMAIL = "jane.doe@acme.test"
GOOD = "tall otters dig"


def refusal(password: str, *, minimum: int = 12, listed: frozenset[str] = frozenset()) -> str:
    """The message with which a password is refused; empty if it is accepted."""
    refused = None
    try:
        check_new_password(
            password,
            minimum_length=minimum,
            is_breached=lambda text: not listed.isdisjoint(spellings(text)),
            about=(EMAIL,),
        )
    except HeadraceError as error:
        refused = error
    if refused is None:
        return ""
    assert (refused.reason, refused.param) == (Reason.INVALID_FIELD, "password")
    return refused.message


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "abcdefghijkl",
        "            x",
        "пароль-длинный",
        "密码密码很长很长的一个密码句子",
        "🦦" * 6 + "otters",
        "x" * 500 + GOOD,
        "\0" * 3 + GOOD,
        "my headrace password is a long one",
        "planning a trip to acme.test",
        "janedoe likes tea",
    ],
)
def test_a_long_enough_password_of_any_characters_is_accepted(password: str) -> None:
    assert refusal(password) == ""


@pytest.mark.parametrize(
    ("password", "minimum"),
    [("abcdefghijk", 12), ("abcdefghijkl", 13), ("e\u0301" * 6, 12), ("🦦 otter", 12)],
)
def test_a_short_password_is_refused(password: str, minimum: int) -> None:
    assert f"at least {minimum} characters" in refusal(password, minimum=minimum)


def test_length_counts_characters_of_the_normal_form() -> None:
    composed, decomposed = "éàüöñçâêîôûë", unicodedata.normalize("NFD", "éàüöñçâêîôûë")
    assert len(decomposed) == 24
    assert refusal(composed) == refusal(decomposed) == ""
    assert refusal(decomposed[:-2]) != ""


@pytest.mark.parametrize("password", ["", "x" * 1025])
def test_a_password_without_bounds_is_refused(password: str) -> None:
    assert "1024" in refusal(password)


@pytest.mark.parametrize(
    "password", ["aaaaaaaaaaaa", "abababababab", "passwordpassword", "xyzzyxyzzyxyzzyxyz", "  " * 9]
)
def test_repetitions_do_not_count(password: str) -> None:
    assert "repetitions" in refusal(password)


@pytest.mark.parametrize(
    "password",
    [
        EMAIL,
        EMAIL.upper(),
        "jane.doe-2026",
        "2026JANE.DOE!",
        "headrace2026!",
        "HeadRace-jane.doe-headrace",
        f"{EMAIL}{EMAIL}x",
        "x-headrace-jane.doe@acme.test-y",
    ],
)
def test_words_of_the_account_do_not_count(password: str) -> None:
    assert "beside your e-mail address" in refusal(password)


@pytest.mark.parametrize("local", ["j", "jo", "jan"])
def test_a_short_local_part_does_not_spoil_words_that_contain_it(local: str) -> None:
    password, about = f"{local}{GOOD}"[:12], (f"{local}@acme.test",)
    assert complaint(check_new_password, password, is_breached=lambda _: False, about=about) == ""


@pytest.mark.parametrize(
    "password",
    [
        "correcthorse",
        "CorrectHorse",
        "correcthorse1",
        "!!CorrectHorse2026!!",
        "correcthorsecorrecthorse",
        "CorrectHorse7CorrectHorse7",
        "correcthorse correcthorse 99",
    ],
)
def test_a_listed_password_is_refused_in_every_cheap_spelling(password: str) -> None:
    message = refusal(password, listed=frozenset({"correcthorse"}))
    assert "attackers" in message
    assert password not in message


def test_digits_that_begin_again_are_found() -> None:
    assert "attackers" in refusal("123456789012", listed=frozenset({"1234567890"}))


def test_the_list_is_asked_for_the_normal_form() -> None:
    asked: list[str] = []

    def remember(password: str) -> bool:
        asked.append(password)
        return False

    check_new_password("e\u0301" * 11 + "qwertyuiopas", is_breached=remember)
    assert asked == ["é" * 11 + "qwertyuiopas"]


def test_an_outage_of_the_list_is_not_an_answer() -> None:
    def fail(_: str) -> bool:
        raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "unreadable")

    with pytest.raises(HeadraceError) as caught:
        check_new_password(GOOD, is_breached=fail)
    assert caught.value.reason is Reason.DEPENDENCY_UNAVAILABLE


@given(st.text(max_size=1100))
def test_what_is_accepted_keeps_the_bounds(password: str) -> None:
    if not refusal(password):
        assert len(normalize_password(password)) >= 12
        assert len(password) <= 1024


@given(st.text())
def test_normalising_is_idempotent_and_joins_what_looks_the_same(password: str) -> None:
    normal = normalize_password(password)
    assert normalize_password(normal) == normal
    assert normalize_password(unicodedata.normalize("NFD", password)) == normal


@given(
    st.text(string.ascii_lowercase, min_size=1, max_size=20),
    st.text(string.digits + string.punctuation, max_size=6),
    st.text(string.digits + string.punctuation, max_size=6),
    st.integers(1, 4),
)
def test_decoration_and_repetition_never_hide_a_word(
    word: str, before: str, after: str, times: int
) -> None:
    # A word that repeats itself, or its own beginning, is reduced to its smallest piece.
    assume(not any(word.startswith(word[n:]) for n in range(1, len(word))))
    assert word in set(spellings(before + word.title() * times + after))


@given(st.text(max_size=200))
def test_spellings_are_few_and_begin_with_the_password(password: str) -> None:
    found = list(spellings(password))
    assert 1 <= len(found) <= 4
    assert found[0] == normalize_password(password).casefold()
