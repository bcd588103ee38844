"""What people may type, and that page tokens survive the trip and nothing else passes as one."""

from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain.fields import ApiKeyRequest, check_api_key_request, normalize_email
from headrace_auth.domain.paging import Position, page_size, position_of_token
from headrace_auth.domain.principal import Limit, LimitKind, Scope, Subject
from headrace_common.errors import HeadraceError, Reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "name": "build server",
    "scopes": ["llm:invoke"],
    "allowed_models": ["smollm2", "smollm2"],
    "expires_at": NOW + timedelta(microseconds=1),
    "rates": [(LimitKind.REQUESTS_PER_MINUTE, 1)],
    "now": NOW,
}


def test_a_good_request_passes() -> None:
    request = check_api_key_request(**GOOD)
    assert request == ApiKeyRequest(
        "build server",
        frozenset({Scope.LLM_INVOKE}),
        ("smollm2",),
        NOW + timedelta(microseconds=1),
        ((LimitKind.REQUESTS_PER_MINUTE, 1),),
    )
    assert request.limits("id") == (Limit(LimitKind.REQUESTS_PER_MINUTE, Subject.API_KEY, "id", 1),)


@pytest.mark.parametrize(
    ("param", "change"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "x" * 101}),
        ("name", {"name": "  "}),
        ("name", {"name": "a\0b"}),
        ("name", {"name": "a\r\nSet-Cookie: b"}),
        ("name", {"name": " padded "}),
        ("scopes", {"scopes": ["llm:invoke", "root"]}),
        ("scopes", {"scopes": [""]}),
        ("allowed_models", {"allowed_models": [""]}),
        ("allowed_models", {"allowed_models": ["x" * 201]}),
        ("allowed_models", {"allowed_models": [str(n) for n in range(101)]}),
        ("expires_at", {"expires_at": NOW}),
        ("expires_at", {"expires_at": NOW - timedelta(days=1)}),
        ("requests_per_minute", {"rates": [(LimitKind.REQUESTS_PER_MINUTE, 0)]}),
        ("tokens_per_minute", {"rates": [(LimitKind.TOKENS_PER_MINUTE, 2**64 - 1)]}),
    ],
)
def test_each_broken_rule_names_its_field(param: str, change: dict[str, Any]) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_api_key_request(**{**GOOD, **change})
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


@given(st.emails())
def test_normalising_an_address_twice_changes_nothing(email: str) -> None:
    once = normalize_email(email)
    assert normalize_email(once) == once == once.lower()


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.text(ascii_letters + digits, min_size=1, max_size=40) | st.uuids().map(str),
)
def test_a_position_survives_its_token(moment: datetime, item_id: str) -> None:
    position = Position(moment, item_id)
    assert position_of_token(position.to_token()) == position


def test_no_token_is_the_first_page() -> None:
    assert position_of_token("") is None


@given(st.text(min_size=1))
def test_other_tokens_are_refused_by_name(token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        position_of_token(token)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "page_token")


@pytest.mark.parametrize(
    "token",
    [
        "bnVsbA==",  # null
        "W10=",  # []
        "WzEsMl0=",  # [1,2]
        "WyJhIiwiYiJd",  # ["a","b"]
        "WzFlMzAwLCAiYiJd",  # [1e300, "b"]
        "WzEsICJcdTAwMDAiXQ==",  # [1, "\u0000"]
        "W05hTiwgIngiXQ==",  # [NaN, "x"]
        "e30=",  # {}
        "/w==",
        "=",
        "W1tbW1s" * 40,
    ],
)
def test_crafted_tokens_are_refused_by_name(token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        position_of_token(token)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "page_token")


@pytest.mark.parametrize(("requested", "size"), [(0, 50), (1, 1), (100, 100)])
def test_page_sizes(requested: int, size: int) -> None:
    assert page_size(requested) == size


def test_a_page_that_is_too_large_is_refused() -> None:
    with pytest.raises(HeadraceError) as caught:
        page_size(101)
    assert caught.value.param == "page_size"
