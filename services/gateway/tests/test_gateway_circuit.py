"""Circuit: when a server is left out, for how long, and how it comes back."""

import pytest

from headrace_gateway.domain.circuit import Circuit, CircuitRules

RULES = CircuitRules(failures=3, seconds=2.0, maximum_seconds=10.0)


def ejected(at: float = 0.0) -> Circuit:
    circuit = Circuit(RULES)
    for _ in range(RULES.failures):
        circuit.fail(at)
    return circuit


def test_failures_in_a_row_eject_and_a_success_between_them_does_not() -> None:
    circuit = Circuit(RULES)
    for _ in range(5):
        circuit.fail(0.0)
        circuit.fail(0.0)
        circuit.succeed()
    assert circuit.is_closed
    assert ejected().keeps_out(0.0)
    assert not ejected().is_closed


def test_after_its_time_one_request_tries_and_the_others_stay_away() -> None:
    circuit = ejected()
    assert circuit.keeps_out(1.9)
    assert not circuit.begin(1.9), "asked because nobody else is left, which is no trial"
    assert not circuit.keeps_out(2.0)
    assert circuit.begin(2.0)
    assert circuit.keeps_out(2.1)
    assert not circuit.begin(2.1)


def test_a_trial_that_comes_to_nothing_leaves_room_for_the_next() -> None:
    circuit = ejected()
    assert circuit.begin(2.0)
    circuit.end_trial()
    assert not circuit.keeps_out(2.0)
    assert not circuit.is_closed


def test_the_first_word_of_an_answer_brings_it_back() -> None:
    circuit = ejected()
    circuit.begin(2.0)
    circuit.speaks()
    assert circuit.is_closed
    assert not circuit.keeps_out(2.0)


def test_each_ejection_is_twice_as_long_up_to_the_bound() -> None:
    circuit, now, lengths = ejected(), 0.0, []
    for _ in range(5):
        until = now
        while circuit.keeps_out(until):
            until += 0.5
        lengths.append(until - now)
        circuit.fail(now := until)
    assert lengths == [2.0, 4.0, 8.0, 10.0, 10.0]


def test_a_server_that_begins_answers_and_never_ends_them_is_out_for_longer_each_time() -> None:
    circuit = ejected()
    circuit.begin(2.0)
    circuit.speaks()
    for _ in range(3):
        circuit.fail(3.0)
    assert circuit.keeps_out(6.9)
    assert not circuit.keeps_out(7.0)


def test_a_whole_answer_makes_the_next_ejection_short_again() -> None:
    circuit = ejected()
    circuit.fail(2.0)
    circuit.succeed()
    for _ in range(3):
        circuit.fail(10.0)
    assert not circuit.keeps_out(12.0)


def test_what_had_begun_before_may_fail_late_without_making_it_longer() -> None:
    circuit = ejected()
    for _ in range(64):
        circuit.fail(1.0)
    assert not circuit.keeps_out(2.0)


@pytest.mark.parametrize("now", [0.5, 1.0])
def test_signs_of_life_let_the_next_request_try_at_once(now: float) -> None:
    circuit = ejected()
    circuit.try_again(now)
    assert not circuit.keeps_out(now)
    assert circuit.begin(now)
    untouched = Circuit(RULES)
    untouched.try_again(now)
    assert untouched.is_closed


def test_a_thousand_ejections_are_no_overflow() -> None:
    circuit, now = ejected(), 0.0
    for _ in range(1000):
        now += 10.0
        circuit.fail(now)
    assert not circuit.keeps_out(now + 10.0)
