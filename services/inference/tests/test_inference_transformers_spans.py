"""Which slots' attention is computed in one call."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.adapters.transformers.spans import CALL_TOKENS, Span, plan_spans


def test_neighbours_of_like_length_are_one_call() -> None:
    assert plan_spans([(0, 50), (1, 60), (2, 55)]) == [Span(0, 2, 60)]


def test_an_idle_slot_between_short_ones_does_not_part_them() -> None:
    assert plan_spans([(0, 50), (2, 60)]) == [Span(0, 2, 60)]


def test_a_long_one_among_short_ones_is_a_call_of_its_own() -> None:
    spans = plan_spans([*((row, 50) for row in range(8)), (8, 2000)])
    assert spans == [Span(0, 7, 50), Span(8, 8, 2000)]


@given(st.dictionaries(st.integers(0, 63), st.integers(1, 4096)))
def test_every_slot_is_in_one_span_that_is_long_enough_and_none_costs_more_than_alone(
    lengths: dict[int, int],
) -> None:
    rows = sorted(lengths.items())
    spans = plan_spans(rows)
    for row, length in rows:
        assert [span.length >= length for span in spans if span.first <= row <= span.last] == [True]
    cost = sum((span.last - span.first + 1) * span.length + CALL_TOKENS for span in spans)
    assert cost <= sum(length + CALL_TOKENS for _, length in rows)
