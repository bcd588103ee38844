"""Which target a request goes to: weights, keys that stay where they are, and named cohorts."""

from collections import Counter

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.routes import (
    Endpoint,
    Group,
    Target,
    check_cohort,
    in_order,
    single_targets,
)

KEYS = [f"org_1 user_{number} chat" for number in range(4000)]


def group(**weights: int) -> Group:
    return tuple(Target(Endpoint(f"{name}:1", name), "chat", w) for name, w in weights.items())


def first(targets: Group, key: str, cohort: str = "") -> str:
    return in_order(targets, key, cohort)[0].endpoint.cohort


def test_each_target_is_first_for_its_share_of_the_keys() -> None:
    counts = Counter(first(group(stable=75, canary=20, old=5), key) for key in KEYS)
    shares = {name: count / len(KEYS) for name, count in counts.items()}
    assert shares == pytest.approx({"stable": 0.75, "canary": 0.2, "old": 0.05}, abs=0.03)


def test_a_growing_canary_keeps_whom_it_has_and_takes_from_all_others() -> None:
    had: set[str] = set()
    for weight in (1, 5, 10, 25, 50):
        has = {
            key for key in KEYS if first(group(stable=100 - weight, canary=weight), key) == "canary"
        }
        assert had < has
        had = has


def test_a_target_that_goes_moves_its_own_keys_only() -> None:
    whole, rest = group(a=50, b=30, c=20), group(a=50, b=30)
    moved = {first(whole, key) for key in KEYS if first(whole, key) != first(rest, key)}
    assert moved == {"c"}


def test_the_same_key_always_has_the_same_order_of_all() -> None:
    targets = group(a=1, b=1, c=1)
    orders = {tuple(in_order(targets, "org user chat", "")) for _ in range(3)}
    assert len(orders) == 1
    assert set(orders.pop()) == set(targets)


def test_a_named_cohort_comes_first_and_the_others_are_left_to_fall_back_to() -> None:
    targets = group(stable=99, canary=1)
    orders = {tuple(t.endpoint.cohort for t in in_order(targets, key, "canary")) for key in KEYS}
    assert orders == {("canary", "stable")}


def test_a_name_that_no_target_has_is_no_cohort() -> None:
    targets = group(stable=99, canary=1)
    assert all(in_order(targets, key, "x") == in_order(targets, key, "") for key in KEYS[:100])


def test_weight_zero_is_for_those_who_name_the_cohort() -> None:
    targets = group(stable=1, canary=0)
    assert {len(in_order(targets, key, "")) for key in KEYS} == {1}
    assert first(targets, KEYS[0], "canary") == "canary"
    assert in_order(group(canary=0), KEYS[0], "") == []


@pytest.mark.parametrize("cohort", ["", "canary", "a", "v1.2_x-3", "x" * 64, "0"])
def test_cohorts_and_session_keys_are_plain_words(cohort: str) -> None:
    assert check_cohort(cohort) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("cohort", ["-a", ".", "a b", "a,b", "é", "x" * 65, "a\n", "a, b", "\x00"])
def test_others_are_refused_by_the_headers_name(cohort: str) -> None:
    with pytest.raises(HeadraceError, match="x-headrace-cohort must be") as caught:
        check_cohort(cohort)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "x-headrace-cohort")


def test_an_endpoint_has_one_name_for_logs_and_metrics() -> None:
    assert Endpoint("a:1").name == "a:1"
    assert Endpoint("a:1", "canary").name == "a:1/canary"


def test_the_simplest_table_has_a_server_for_each_model() -> None:
    assert single_targets({"m": "a:1"}) == {"m": ((Target(Endpoint("a:1"), "m"),),)}
