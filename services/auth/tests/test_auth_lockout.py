"""Failed logins: waits grow, stay bounded, are forgotten, and subjects name nobody in the clear."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    ADDRESS_POLICY,
    LockoutPolicy,
    LoginFailures,
    account_subject,
    address_subject,
    after_failure,
    is_forgotten,
    wait_seconds,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICIES = st.builds(
    LockoutPolicy,
    free_failures=st.integers(0, 60),
    first_wait_seconds=st.floats(0.1, 10),
    maximum_wait_seconds=st.floats(10, 900),
    forget_seconds=st.floats(901, 7200),
)
GAPS = st.lists(st.floats(0, 4000), min_size=1, max_size=100)


def fail(
    times: int, policy: LockoutPolicy, now: datetime = NOW, state: LoginFailures | None = None
) -> LoginFailures | None:
    """The state after `times` failures in one instant."""
    for _ in range(times):
        state = after_failure("subject", state, now, policy)
    return state


def history(gaps: list[float], policy: LockoutPolicy) -> list[tuple[datetime, LoginFailures]]:
    """A failure after each gap of so many seconds: its time, and what was remembered then."""
    states: list[tuple[datetime, LoginFailures]] = []
    now, state = NOW, None
    for gap in gaps:
        now += timedelta(seconds=gap)
        state = after_failure("subject", state, now, policy)
        states.append((now, state))
    return states


def test_an_accounts_waits_double_from_one_second_to_fifteen_minutes() -> None:
    waits = [wait_seconds(fail(times, ACCOUNT_POLICY), NOW) for times in range(18)]
    assert waits == [0] * 6 + [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_an_address_has_more_failures_free() -> None:
    assert wait_seconds(fail(50, ADDRESS_POLICY), NOW) == 0
    assert wait_seconds(fail(51, ADDRESS_POLICY), NOW) == 1


def test_a_patient_attacker_gets_18_guesses_in_the_first_hour() -> None:
    now, guesses = NOW, 0
    state: LoginFailures | None = None
    while now < NOW + timedelta(hours=1):
        state = after_failure("subject", state, now, ACCOUNT_POLICY)
        guesses += 1
        now += timedelta(seconds=wait_seconds(state, now))
    assert guesses == 18


@given(POLICIES, GAPS)
def test_waits_are_bounded(policy: LockoutPolicy, gaps: list[float]) -> None:
    for now, state in history(gaps, policy):
        # Times are whole microseconds; a policy's bound may lie between two.
        assert 0 <= wait_seconds(state, now) <= policy.maximum_wait_seconds + 1e-6


@given(POLICIES, st.integers(1, 200))
def test_more_failures_never_mean_a_shorter_wait(policy: LockoutPolicy, times: int) -> None:
    waits = [wait_seconds(fail(n, policy), NOW) for n in range(times)]
    assert waits == sorted(waits)
    assert all(wait == 0 for wait in waits[: policy.free_failures + 1])
    assert all(wait > 0 for wait in waits[policy.free_failures + 1 :])


@given(POLICIES, GAPS)
def test_without_a_long_enough_pause_every_failure_counts(
    policy: LockoutPolicy, gaps: list[float]
) -> None:
    for (earlier, before), (later, after) in pairwise(history(gaps, policy)):
        if (later - earlier).total_seconds() < policy.forget_seconds:
            assert after.failures == before.failures + 1
        else:
            assert after.failures == 1


@given(POLICIES, st.integers(1, 100), st.floats(0, 8000))
def test_a_wait_only_shrinks_until_the_next_failure(
    policy: LockoutPolicy, times: int, seconds: float
) -> None:
    state = fail(times, policy)
    later = NOW + timedelta(seconds=seconds)
    assert wait_seconds(state, later) <= wait_seconds(state, NOW)
    assert wait_seconds(state, later) == pytest.approx(
        max(0, wait_seconds(state, NOW) - seconds), abs=1e-5
    )


@given(POLICIES, st.integers(1, 100))
def test_failures_are_forgotten_and_never_while_a_wait_runs(
    policy: LockoutPolicy, times: int
) -> None:
    state = fail(times, policy)
    assert state is not None
    end = NOW + timedelta(seconds=policy.forget_seconds)
    assert not is_forgotten(state, state.locked_until, policy)
    # timedelta rounds to microseconds
    assert is_forgotten(state, end + timedelta(microseconds=1), policy)
    assert wait_seconds(state, end) == 0
    again = after_failure("subject", state, end + timedelta(microseconds=1), policy)
    assert again.failures == 1


@given(POLICIES, st.integers(1, 10**6))
def test_any_number_of_failures_can_be_counted(policy: LockoutPolicy, failures: int) -> None:
    state = LoginFailures("subject", failures, NOW, NOW)
    assert after_failure("subject", state, NOW, policy).failures == failures + 1


def test_a_clock_that_is_behind_shortens_nothing() -> None:
    state = fail(10, ACCOUNT_POLICY)
    assert state is not None
    behind = after_failure("subject", state, NOW - timedelta(minutes=2), ACCOUNT_POLICY)
    assert behind.last_failed_at == NOW
    assert behind.locked_until > state.locked_until


@pytest.mark.parametrize(
    "change",
    [
        {"free_failures": -1},
        {"first_wait_seconds": 0},
        {"first_wait_seconds": 901},
        {"maximum_wait_seconds": 3600},
        {"forget_seconds": 60},
        {"maximum_wait_seconds": float("nan")},
    ],
)
def test_a_policy_without_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        LockoutPolicy(**{"free_failures": 5, **change})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::1", True),
        ("2001:db8::1", "2001:DB8:0::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::1", "0.0.0.1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_addresses_share_a_subject_where_they_share_an_owner(
    one: str, other: str, same: bool
) -> None:
    assert (address_subject(one) == address_subject(other)) is same


@pytest.mark.parametrize("text", ["", "unknown", "1.2.3", "1.2.3.4:80", "1.2.3.4/24", "::1\n"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        address_subject(text)


@given(st.ip_addresses())
def test_accounts_and_addresses_never_share_a_subject(address: Any) -> None:
    subject = address_subject(str(address))
    assert subject != account_subject(str(address))
    assert len(subject) == 64
    assert int(subject, 16)


def test_subjects_do_not_show_whom_they_name() -> None:
    assert "owner" not in account_subject("owner@acme.test")
    assert account_subject("owner@acme.test") != account_subject("admin@acme.test")
