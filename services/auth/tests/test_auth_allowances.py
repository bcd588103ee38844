"""What a key may spend: amount, currency, period and time zone."""

from typing import Any

import pytest

from headrace_auth.domain.budgets import Allowance, check_allowance
from headrace_auth.domain.principal import Budget, BudgetPeriod, Subject
from headrace_common.errors import HeadraceError, Reason

GOOD: dict[str, Any] = {
    "amount_micros": 5_000_000,
    "currency": "EUR",
    "period": BudgetPeriod.WEEK,
    "time_zone": "Europe/Berlin",
}


def test_an_allowance_becomes_a_keys_budget() -> None:
    allowance = check_allowance("budget", **GOOD)
    assert allowance == Allowance(**GOOD)
    assert allowance.of_key("id") == Budget(Subject.API_KEY, "id", **GOOD)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_micros": 0},
        {"amount_micros": 10**15},
        {"time_zone": "UTC"},
        {"time_zone": "America/Argentina/Buenos_Aires"},
    ],
)
def test_the_edges_are_within(change: dict[str, object]) -> None:
    assert check_allowance("budget", **{**GOOD, **change}) == Allowance(**{**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        *({"amount_micros": amount} for amount in (-1, 10**15 + 1)),
        *({"currency": text} for text in ("", "eur", "EURO", "€", "E1R", "EUR\n")),
        {"period": None},
        *({"time_zone": text} for text in ("", "Berlin", "Europe", "../../etc/passwd")),
        *({"time_zone": text} for text in ("/etc/localtime", "Europe/Berlin\0", "x" * 65, "Ünïk")),
    ],
)
def test_what_is_none_is_refused_by_name(change: dict[str, object]) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_allowance("budget", **{**GOOD, **change})
    [name] = change
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, f"budget.{name}")
