"""API keys as text: whole ones come back, damaged ones are refused without a look-up."""

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_auth.domain import base62
from headrace_auth.domain.api_keys import ENTROPY_BYTES, ApiKey, is_api_key_id, mint, parse

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
ANY_CHARACTER = st.one_of(st.sampled_from(base62.ALPHABET), st.characters())
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = mint(bytes(range(ENTROPY_BYTES)))


@given(ENTROPY)
def test_a_minted_key_is_parsed_into_its_parts(entropy: bytes) -> None:
    key = mint(entropy)
    assert parse(key.reveal()) == key
    assert re.fullmatch(r"hr_[0-9A-Za-z]{17}_[0-9A-Za-z]{49}", key.reveal())
    assert is_api_key_id(key.api_key_id)


@given(ENTROPY, ENTROPY)
def test_different_entropy_makes_different_keys(one: bytes, other: bytes) -> None:
    assume(one != other)
    assert mint(one) != mint(other)


@given(ENTROPY, st.data())
def test_any_changed_character_is_noticed(entropy: bytes, data: st.DataObject) -> None:
    text = mint(entropy).reveal()
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(ANY_CHARACTER)
    assume(character != text[place])
    assert parse(text[:place] + character + text[place + 1 :]) is None


@given(ENTROPY, st.data())
def test_swapped_neighbours_are_noticed(entropy: bytes, data: st.DataObject) -> None:
    text = mint(entropy).reveal()
    place = data.draw(st.integers(0, len(text) - 2))
    assume(text[place] != text[place + 1])
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert parse(swapped) is None


@given(st.text())
def test_other_text_is_no_key(text: str) -> None:
    assert parse(text) is None
    assert parse("hr_" + text) is None


@pytest.mark.parametrize(
    "damaged",
    [
        KEY.reveal()[:-1],
        KEY.reveal() + "0",
        KEY.reveal() + "\n",
        " " + KEY.reveal(),
        KEY.reveal().upper(),
        KEY.reveal().replace("hr_", "HR_"),
        KEY.reveal().replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        f"hr_{KEY.api_key_id}_{KEY.secret}",
    ],
)
def test_damaged_keys_are_refused(damaged: str) -> None:
    assert parse(damaged) is None


@pytest.mark.parametrize("size", [0, ENTROPY_BYTES - 1, ENTROPY_BYTES + 1])
def test_minting_wants_its_entropy_exactly(size: int) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        mint(b"x" * size)


def test_the_digest_is_sha256_of_the_secret_alone() -> None:
    assert KEY.secret_sha256 == hashlib.sha256(KEY.secret.encode()).digest()


def test_the_secret_is_not_in_the_repr() -> None:
    assert KEY.secret not in repr(KEY)


@given(st.binary(max_size=40))
def test_base62_is_the_number_in_another_base(data: bytes) -> None:
    number = 0
    for character in base62.encode(data, 54):
        number = number * 62 + base62.ALPHABET.index(character)
    assert number == int.from_bytes(data, "big")


def test_base62_refuses_to_cut() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        base62.encode(b"\xff\xff", 2)


@pytest.mark.parametrize(
    ("expires_in", "revoked", "live"),
    [
        (None, False, True),
        (timedelta(microseconds=1), False, True),
        (timedelta(0), False, False),
        (timedelta(days=-1), False, False),
        (None, True, False),
        (timedelta(days=1), True, False),
    ],
)
def test_a_key_lives_until_it_expires_or_is_revoked(
    expires_in: timedelta | None, revoked: bool, live: bool
) -> None:
    key = ApiKey(
        "id",
        "organisation",
        "user",
        "name",
        frozenset(),
        NOW,
        expires_at=NOW + expires_in if expires_in is not None else None,
        revoked_at=NOW if revoked else None,
    )
    assert key.is_live(NOW) is live
