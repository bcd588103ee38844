"""Nobody who comes or goes hides that an engine hangs."""

from headrace_common.testing.clock import FakeClock
from headrace_inference.domain.silence import Silence


def test_only_time_at_work_counts() -> None:
    clock = FakeClock()
    silence = Silence(clock)
    clock.advance(100)
    assert silence.seconds() == 0
    with silence.work():
        clock.advance(3)
        assert silence.seconds() == 3
    clock.advance(100)
    assert silence.seconds() == 0


def test_a_word_of_the_engine_ends_it() -> None:
    clock = FakeClock()
    silence = Silence(clock)
    with silence.work():
        clock.advance(3)
        silence.hear()
        assert silence.seconds() == 0
        clock.advance(2)
        assert silence.seconds() == 2


def test_neither_arrivals_nor_departures_end_it() -> None:
    clock = FakeClock()
    silence = Silence(clock)
    with silence.work():
        clock.advance(4)
        with silence.work():
            clock.advance(4)
        assert silence.seconds() == 8
    clock.advance(50)
    with silence.work():
        clock.advance(1)
        assert silence.seconds() == 9
        silence.hear()
    with silence.work():
        assert silence.seconds() == 0
