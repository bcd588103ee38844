"""Identifiers, addresses, settings, pauses: the small things that everything stands on."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from headrace_common.ids import uuid7
from headrace_common.net import source_of, split_address
from headrace_common.postgres import pause_seconds
from headrace_common.settings import ServiceSettings

TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES)
def test_uuid7_has_version_variant_and_time(now: datetime) -> None:
    made = uuid.UUID(uuid7(now))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == int(now.timestamp() * 1000)


def test_pauses_grow_to_two_seconds_and_no_further() -> None:
    assert [pause_seconds(attempt) for attempt in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert {pause_seconds(attempt) for attempt in (5, 2000)} == {2.0}


@given(TIMES)
def test_uuid7_sorts_by_time(now: datetime) -> None:
    assert uuid7(now) < uuid7(now + timedelta(milliseconds=2))


@pytest.mark.parametrize(
    ("address", "pair"),
    [
        ("localhost:80", ("localhost", 80)),
        ("[::1]:443", ("::1", 443)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_addresses_are_split(address: str, pair: tuple[str, int]) -> None:
    assert split_address(address) == pair


@pytest.mark.parametrize("address", ["localhost", ":80", "host:", "host:http", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_address_stands_for_itself_or_for_its_64(address: str, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2.7:80", "192.0.2.0/24", "[::1]"])
def test_what_is_no_address_stands_for_nobody(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        source_of(text)


class Secretive(ServiceSettings):
    """A service with a secret."""

    token: SecretStr


@pytest.mark.parametrize("value", ["changeme", "SECRET", "password"])
def test_placeholder_secrets_are_refused_outside_development(value: str) -> None:
    with pytest.raises(ValidationError, match="token: a placeholder is refused"):
        Secretive(token=SecretStr(value))
    assert Secretive(token=SecretStr(value), environment="development").token


def test_a_refused_setting_is_not_quoted() -> None:
    with pytest.raises(ValidationError) as caught:
        Secretive.model_validate({"token": {"canary": "hr_secret"}})
    assert "hr_secret" not in str(caught.value)
