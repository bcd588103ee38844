"""API keys as text: whole ones come back, damaged ones are refused without a look-up."""

import hashlib
import re
from dataclasses import replace
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


CURRENT, PREVIOUS, OTHER = (bytes([number]) * 32 for number in range(3))
ROTATED = ApiKey(
    "id",
    "organisation",
    "user",
    "name",
    frozenset(),
    NOW,
    secret_sha256=CURRENT,
    previous_secret_sha256=PREVIOUS,
    previous_secret_expires_at=NOW + timedelta(hours=1),
)


@pytest.mark.parametrize(
    ("secret", "after", "works"),
    [
        (CURRENT, timedelta(0), True),
        (CURRENT, timedelta(days=9), True),
        (PREVIOUS, timedelta(hours=1, microseconds=-1), True),
        (PREVIOUS, timedelta(hours=1), False),
        (OTHER, timedelta(0), False),
        (b"", timedelta(0), False),
    ],
)
def test_after_a_rotation_both_secrets_work_for_a_while(
    secret: bytes, after: timedelta, works: bool
) -> None:
    assert ROTATED.has_secret(secret, NOW + after) is works


def test_a_key_without_a_secret_has_none() -> None:
    signing = replace(ROTATED, secret_sha256=None, previous_secret_sha256=None)
    for secret in (b"", CURRENT, PREVIOUS):
        assert not signing.has_secret(secret, NOW)


def test_a_previous_secret_without_an_end_does_not_work() -> None:
    assert not replace(ROTATED, previous_secret_expires_at=None).has_secret(PREVIOUS, NOW)


@pytest.mark.parametrize(
    ("secret", "key_expires_in", "expires_in"),
    [
        (CURRENT, None, None),
        (CURRENT, timedelta(days=1), timedelta(days=1)),
        (PREVIOUS, None, timedelta(hours=1)),
        (PREVIOUS, timedelta(days=1), timedelta(hours=1)),
        (PREVIOUS, timedelta(minutes=1), timedelta(minutes=1)),
    ],
)
def test_a_credential_ends_with_its_secret_or_its_key(
    secret: bytes, key_expires_in: timedelta | None, expires_in: timedelta | None
) -> None:
    key = replace(ROTATED, expires_at=NOW + key_expires_in if key_expires_in else None)
    expected = NOW + expires_in if expires_in else None
    assert key.secret_expires_at(secret) == expected


def test_no_digest_is_in_the_repr() -> None:
    whole = repr(replace(ROTATED, sealed_signing_secret=b"sealed canary"))
    for secret in (CURRENT, PREVIOUS, b"sealed canary"):
        assert repr(secret)[2:-1] not in whole
