"""Rules of fields: addresses, roles, limits, budgets, time zones, prices and places in lists."""

import base64
import json
import zoneinfo
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.consumption_fields import (
    ModelPrice,
    check_budget,
    check_limit,
    check_price_request,
)
from headrace_auth.domain.directory import UserKind
from headrace_auth.domain.directory_fields import check_mail_address, check_role
from headrace_auth.domain.paging import key_of_token, position_of_token, token_of_key
from headrace_auth.domain.principal import BudgetPeriod, LimitKind, Role, Subject
from headrace_auth.domain.time_zones import is_time_zone
from headrace_auth.testing.directory import ACME
from headrace_common.errors import HeadraceError, Reason

LIMIT = LimitRecord(ACME, Subject.USER, "x", LimitKind.TOKENS_PER_MINUTE, "", 1)
BUDGET = BudgetRecord(ACME, Subject.USER, "x", BudgetPeriod.WEEK, 1, "EUR", "Europe/Berlin")
PRICE = ModelPrice("smollm2", 1, 2)


def _param(caught: pytest.ExceptionInfo[HeadraceError]) -> str | None:
    assert caught.value.reason is Reason.INVALID_FIELD
    return caught.value.param


@pytest.mark.parametrize(
    "record",
    [
        replace(LIMIT, amount=10**12),
        replace(LIMIT, model="x" * 200),
        replace(LIMIT, model="a/b:c é"),
    ],
)
def test_good_limits(record: LimitRecord) -> None:
    assert check_limit(record) is record


@pytest.mark.parametrize(
    ("record", "param"),
    [
        (replace(LIMIT, amount=0), "amount"),
        (replace(LIMIT, amount=-1), "amount"),
        (replace(LIMIT, amount=10**12 + 1), "amount"),
        (replace(LIMIT, amount=2**64 - 1), "amount"),
        (replace(LIMIT, model="x" * 201), "model"),
        (replace(LIMIT, model=" x"), "model"),
        (replace(LIMIT, model="a\nb"), "model"),
        (replace(LIMIT, model="\0"), "model"),
    ],
)
def test_bad_limits(record: LimitRecord, param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_limit(record)
    assert _param(caught) == param


@pytest.mark.parametrize(
    "record",
    [
        replace(BUDGET, amount_micros=0),
        replace(BUDGET, amount_micros=10**15),
        replace(BUDGET, model="x"),
    ],
)
def test_good_budgets(record: BudgetRecord) -> None:
    assert check_budget(record) is record


@pytest.mark.parametrize(
    ("record", "param"),
    [
        (replace(BUDGET, amount_micros=-1), "amount_micros"),
        (replace(BUDGET, amount_micros=10**15 + 1), "amount_micros"),
        (replace(BUDGET, currency="eur"), "currency"),
        (replace(BUDGET, currency="EURO"), "currency"),
        (replace(BUDGET, currency="EU"), "currency"),
        (replace(BUDGET, currency=""), "currency"),
        (replace(BUDGET, currency="EUR\n"), "currency"),
        (replace(BUDGET, currency="ÉUR"), "currency"),
        (replace(BUDGET, time_zone=""), "time_zone"),
        (replace(BUDGET, model="a\r\nb"), "model"),
    ],
)
def test_bad_budgets(record: BudgetRecord, param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_budget(record)
    assert _param(caught) == param


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"])
def test_real_time_zones_can_be_used(name: str) -> None:
    assert is_time_zone(name)
    assert zoneinfo.ZoneInfo(name).key == name


@given(st.text())
@example("../../etc/passwd")
@example("/etc/localtime")
@example("Europe/../Europe/Berlin")
@example("europe/berlin")
@example("Europe")
@example("Europe/")
@example("Europe/Berlin\0")
@example("localtime")
@example("posixrules")
@example("Factory")
@example("right/UTC")
@example("zone.tab")
@example("a" * 100_000)
def test_anything_else_is_no_time_zone(name: str) -> None:
    assert not is_time_zone(name)
    with pytest.raises(HeadraceError) as caught:
        check_budget(replace(BUDGET, time_zone=name))
    assert _param(caught) == "time_zone"
    assert len(caught.value.message) < 200


def test_a_price_table_keeps_its_rules() -> None:
    request = check_price_request("EUR", [PRICE], None)
    assert (request.currency, request.prices, request.effective_at) == ("EUR", (PRICE,), None)
    check_price_request("EUR", [ModelPrice(f"{number}", 0, 10**12) for number in range(500)], None)


@pytest.mark.parametrize(
    ("currency", "prices", "param"),
    [
        ("eur", [PRICE], "currency"),
        ("EUR", [], "prices"),
        ("EUR", [PRICE, PRICE], "prices"),
        ("EUR", [PRICE, replace(PRICE, input_micros=9)], "prices"),
        ("EUR", [replace(PRICE, model="")], "prices"),
        ("EUR", [replace(PRICE, model="x" * 201)], "prices"),
        ("EUR", [replace(PRICE, model="a\nb")], "prices"),
        ("EUR", [replace(PRICE, input_micros=-1)], "prices"),
        ("EUR", [replace(PRICE, output_micros=10**12 + 1)], "prices"),
        ("EUR", [replace(PRICE, model=str(number)) for number in range(501)], "prices"),
    ],
)
def test_bad_price_tables(currency: str, prices: list[ModelPrice], param: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_price_request(currency, prices, None)
    assert _param(caught) == param


def test_addresses_are_kept_as_they_are_compared() -> None:
    assert check_mail_address("email", " Jane.Doe+x@Acme.Test ") == "jane.doe+x@acme.test"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", UserKind)
def test_service_is_the_role_of_service_accounts(kind: UserKind, role: Role) -> None:
    if (kind is UserKind.SERVICE) is (role is Role.SERVICE):
        assert check_role(kind, role) is role
        return
    with pytest.raises(HeadraceError) as caught:
        check_role(kind, role)
    assert _param(caught) == "role"


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=200)))
def test_a_place_in_a_list_by_key_survives_its_token(key: list[str]) -> None:
    token = token_of_key(*key)
    if len(token) <= 2000:
        assert key_of_token(token, len(key)) == tuple(key)


def _token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@given(st.text())
@example(_token(["a", "b"]))
@example(_token(["a", "b", 3]))
@example(_token(["a", "b", "\0"]))
@example(_token({"a": 1, "b": 2, "c": 3}))
@example(_token(None))
@example(_token("abc"))
@example(_token("[" * 1000))
@example(base64.urlsafe_b64encode(b"[" * 1000).decode())
@example(base64.urlsafe_b64encode(b"\xff").decode())
@example("A" * 100_000)
def test_what_is_no_place_in_a_list_is_refused(token: str) -> None:
    if not token:
        assert key_of_token(token, 3) is None
        return
    with pytest.raises(HeadraceError) as caught:
        key_of_token(token, 3)
    assert _param(caught) == "page_token"


@pytest.mark.parametrize("token", [_token([0, "a b"]), _token([0, 5]), _token([0]), _token("x")])
def test_what_is_no_place_in_time_is_refused(token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        position_of_token(token)
    assert _param(caught) == "page_token"
