"""Slots are given to whoever reads the same again, and to no other as read."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_inference.adapters.llamacpp.slots import SlotTable

TOKENS = st.lists(st.integers(0, 1), min_size=1, max_size=40).map(tuple)


READS = st.none() | st.integers(0, 40)


@given(st.lists(st.tuples(st.sampled_from("ab"), TOKENS, READS), max_size=20))
def test_what_counts_as_cached_is_a_prefix_that_the_owner_was_last_to_have_read(
    steps: list[tuple[str, tuple[int, ...], int | None]],
) -> None:
    table = SlotTable(2)
    read: dict[int, tuple[str, tuple[int, ...]]] = {}
    for owner, prompt, reads in steps:
        with table.take(owner, prompt) as seat:
            known, last = read.pop(seat.slot, ("", ()))
            if seat.cached:
                assert known == owner
                assert seat.cached <= len(last)
                assert last[: seat.cached] == prompt[: seat.cached]
            if reads is not None:
                seat.has_read(reads)
                read[seat.slot] = (owner, prompt[:reads])


def test_seats_that_are_taken_together_are_different() -> None:
    table = SlotTable(3)
    seats = [table.take("a", (1,) * 20) for _ in range(3)]
    assert {seat.slot for seat in seats} == {0, 1, 2}
    seats[1].has_read(20)
    seats[1].leave()
    again = table.take("a", (1,) * 18)
    assert (again.slot, again.cached) == (seats[1].slot, 18)
    table.forget()
    again.leave()
    assert table.take("a", (1,) * 18).cached == 0
