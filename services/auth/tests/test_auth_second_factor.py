"""The second factor: RFC 6238's examples, a window of one step, and codes as people type them."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.crypto.second_factor import (
    matching_step,
    new_recovery_codes,
    new_secret,
    provisioning_uri,
    recovery_code_digest,
)

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
# Appendix B, SHA-1; the last six of its eight digits are the code of six.
RFC_EXAMPLES = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
CODES = new_recovery_codes()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(("seconds", "code"), RFC_EXAMPLES)
def test_the_rfcs_examples(seconds: int, code: str) -> None:
    assert matching_step(RFC_SECRET, code[2:], at(seconds)) == seconds // 30


@pytest.mark.parametrize(
    ("late", "matches"),
    [(-31, False), (-30, True), (0, True), (29, True), (30, True), (59, True), (60, False)],
)
def test_a_clock_may_be_one_step_off(late: int, matches: bool) -> None:
    start = 1111111110  # the first second of a step
    step = matching_step(RFC_SECRET, "050471", at(start + late))
    assert step == (start // 30 if matches else None)


def test_the_step_does_not_depend_on_when_the_code_arrives() -> None:
    steps = {matching_step(RFC_SECRET, "050471", at(1111111110 + late)) for late in (-30, 0, 59)}
    assert steps == {1111111110 // 30}


def test_another_time_zone_is_the_same_moment() -> None:
    now = datetime.fromisoformat("2005-03-18T03:58:31+02:00")
    assert now.timestamp() == 1111111111
    assert matching_step(RFC_SECRET, "050471", now) is not None


@pytest.mark.parametrize("code", ["050 471", " 050471 ", "050-471", "0 5 0 4 7 1\n"])
def test_spaces_and_dashes_do_not_matter(code: str) -> None:
    assert matching_step(RFC_SECRET, code, at(1111111111)) is not None


@pytest.mark.parametrize(
    "code",
    [
        "",
        "05047",
        "0504711",
        "050472",
        "14050471",
        "x50471",
        "\uff10\uff15\uff10\uff14\uff17\uff11",
    ],
)
def test_another_code_does_not_match(code: str) -> None:
    assert matching_step(RFC_SECRET, code, at(1111111111)) is None


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    step = matching_step(RFC_SECRET, text, at(1111111111))
    assert step is None or 1111111111 // 30 - 1 <= step <= 1111111111 // 30 + 1


def test_a_code_of_another_secret_does_not_match() -> None:
    other = base64.b32encode(b"12345678901234567891").decode()
    assert matching_step(other, "050471", at(1111111111)) is None


def test_a_secret_has_160_bits() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}


def test_the_uri_is_what_apps_read() -> None:
    uri = urlsplit(provisioning_uri(RFC_SECRET, "o'hara+tag@acme.test"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Headrace:o'hara+tag@acme.test"
    assert parse_qs(uri.query) == {"secret": [RFC_SECRET], "issuer": ["Headrace"]}


def test_recovery_codes_are_ten_and_all_different() -> None:
    assert len(set(CODES.codes)) == len(set(CODES.digests)) == 10
    for code in CODES.codes:
        assert re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", code)


def test_the_digest_is_sha256_of_the_bare_code() -> None:
    expected = [hashlib.sha256(code.replace("-", "").encode()).digest() for code in CODES.codes]
    assert list(CODES.digests) == expected


@given(st.sampled_from(range(10)), st.data())
def test_a_code_is_recognised_however_it_is_typed(number: int, data: st.DataObject) -> None:
    separators = st.text("- \t\n", max_size=2)
    typed = "".join(
        data.draw(st.sampled_from([character.lower(), character])) + data.draw(separators)
        for character in CODES.codes[number].replace("-", "")
    )
    assert recovery_code_digest(data.draw(separators) + typed) == CODES.digests[number]


@given(st.text(max_size=40))
def test_other_text_is_no_recovery_code_of_ours(text: str) -> None:
    assert recovery_code_digest(text) not in CODES.digests


@pytest.mark.parametrize(
    "text",
    ["", "ABCD-EFGH-IJKL", "ABCD-EFGH-IJKL-MNOPQ", "ABCD-EFGH-IJKL-MN01", "ABCD_EFGH_IJKL_MNOP"],
)
def test_what_cannot_be_a_recovery_code_has_no_digest(text: str) -> None:
    assert recovery_code_digest(text) is None


def test_the_repr_shows_no_code() -> None:
    shown = repr(CODES)
    assert not any(code in shown for code in CODES.codes)
    assert not any(digest.hex() in shown for digest in CODES.digests)
