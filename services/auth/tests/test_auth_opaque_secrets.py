"""One-time tokens: whole ones give their digest, all others give nothing."""

import hashlib
import re
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_auth.domain import api_keys, base62, checksums
from headrace_auth.domain.opaque_secrets import ENTROPY_BYTES, TokenPrefix, mint, parse

ENTROPY = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)
PREFIXES = st.sampled_from(TokenPrefix)
ANY_CHARACTER = st.one_of(st.sampled_from(base62.ALPHABET), st.characters())
TOKEN = mint(TokenPrefix.REFRESH, bytes(range(ENTROPY_BYTES)))


@given(PREFIXES, ENTROPY)
def test_a_minted_token_gives_the_digest_that_was_kept(prefix: TokenPrefix, entropy: bytes) -> None:
    token = mint(prefix, entropy)
    assert parse(prefix, token.reveal()) == token.sha256
    assert re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{49}}", token.reveal())


def test_the_digest_is_sha256_of_all_but_the_checksum() -> None:
    assert TOKEN.sha256 == hashlib.sha256(TOKEN.reveal()[:-6].encode()).digest()


@given(PREFIXES, ENTROPY, ENTROPY)
def test_different_entropy_makes_different_digests(
    prefix: TokenPrefix, one: bytes, other: bytes
) -> None:
    assume(one != other)
    assert mint(prefix, one).sha256 != mint(prefix, other).sha256


@given(PREFIXES, PREFIXES, ENTROPY)
def test_a_token_of_one_kind_is_none_of_another(
    prefix: TokenPrefix, other: TokenPrefix, entropy: bytes
) -> None:
    assume(prefix != other)
    assert parse(other, mint(prefix, entropy).reveal()) is None


@given(PREFIXES, PREFIXES, ENTROPY)
def test_a_rewritten_prefix_changes_the_digest(
    prefix: TokenPrefix, other: TokenPrefix, entropy: bytes
) -> None:
    assume(prefix != other)
    token = mint(prefix, entropy)
    rewritten = checksums.append_checksum(f"{other.value}_{token.secret}")
    assert parse(other, rewritten) not in (None, token.sha256)


@given(PREFIXES, ENTROPY, st.data())
def test_any_changed_character_is_noticed(
    prefix: TokenPrefix, entropy: bytes, data: st.DataObject
) -> None:
    text = mint(prefix, entropy).reveal()
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(ANY_CHARACTER)
    assume(character != text[place])
    assert parse(prefix, text[:place] + character + text[place + 1 :]) is None


@given(PREFIXES, st.text())
def test_other_text_is_no_token(prefix: TokenPrefix, text: str) -> None:
    assert parse(prefix, text) is None
    assert parse(prefix, f"{prefix.value}_{text}") is None


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "hrr",
        "hrr_",
        TOKEN.reveal()[:-1],
        TOKEN.reveal() + "0",
        TOKEN.reveal() + "\n",
        " " + TOKEN.reveal(),
        TOKEN.reveal().upper(),
        TOKEN.reveal().replace("0", "\N{FULLWIDTH DIGIT ZERO}"),
        f"hrr_{TOKEN.secret}",
    ],
)
def test_damaged_tokens_are_refused(damaged: str) -> None:
    assert parse(TokenPrefix.REFRESH, damaged) is None


@pytest.mark.parametrize("size", [0, ENTROPY_BYTES - 1, ENTROPY_BYTES + 1])
def test_minting_wants_its_entropy_exactly(size: int) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        mint(TokenPrefix.REFRESH, b"x" * size)


def test_the_secret_is_not_in_the_repr() -> None:
    assert TOKEN.secret not in repr(TOKEN)
    assert TOKEN.secret not in f"{TOKEN}"


def test_no_prefix_begins_another_or_an_api_key() -> None:
    starts = [api_keys.PREFIX, *(f"{prefix.value}_" for prefix in TokenPrefix)]
    for one, other in combinations(starts, 2):
        assert not one.startswith(other)
        assert not other.startswith(one)
