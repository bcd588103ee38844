"""What people type, as the API takes it."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_cli import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert values.seconds(text) == seconds


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1)))  # noqa: DTZ001
def test_a_moment_is_told_in_utc(time: datetime) -> None:
    told = values.moment(time.isoformat())
    assert told.endswith("Z")
    assert datetime.fromisoformat(told) == time.astimezone(UTC).replace(microsecond=0)


def test_a_duration_counts_from_now() -> None:
    in_a_day = datetime.now(UTC) + timedelta(days=1)
    assert abs(datetime.fromisoformat(values.moment("1d")) - in_a_day) < timedelta(minutes=1)


@given(st.integers(0, 10**15))
def test_an_amount_keeps_every_millionth(micros: int) -> None:
    assert values.micros(f"{Decimal(micros).scaleb(-6):f}") == micros


@pytest.mark.parametrize("text", ["5 EUR month", "5 eur month UTC"])
def test_a_budget_is_in_utc_unless_said(text: str) -> None:
    assert values.budget(text) == {
        "amount_micros": 5_000_000,
        "currency": "EUR",
        "period": "month",
        "time_zone": "UTC",
    }


@given(st.text())
def test_what_cannot_be_meant_is_a_broken_rule_and_nothing_else(text: str) -> None:
    for parse in (values.seconds, values.moment, values.whole, values.micros, values.budget):
        with suppress(ValueError):
            assert parse(text) is not None
