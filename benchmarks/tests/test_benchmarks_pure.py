"""The benchmarks' pure functions: nearest ranks, py-spy's frames, verdicts and stream texts."""

import pytest
import typer
from benchmarks.connection import Answer
from benchmarks.gateway_hold_back import added_to
from benchmarks.load import Summary, nearest_rank
from benchmarks.profile import Frame
from benchmarks.report import Target, begin
from benchmarks.shares import fair_shares, jain


@pytest.mark.parametrize(("percent", "rank"), [(50, 3), (95, 5), (20, 1), (21, 2)])
def test_the_nearest_rank_is_the_smallest_sample_that_so_many_do_not_exceed(
    percent: int, rank: int
) -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0, 5.0], percent) == rank


def test_percentiles_need_a_hundred_samples() -> None:
    assert Summary.of([]) == Summary(count=0, maximum=0.0)
    assert Summary.of([2.0] * 98 + [3.0]) == Summary(count=99, maximum=3.0)
    seconds = [float(second) for second in range(100, 0, -1)]
    assert Summary.of(seconds) == Summary(count=100, maximum=100, p50=50, p95=95, p99=99)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (
            "post (/work/services/gateway/src/headrace_gateway/adapters/chat.py:7)",
            "headrace_gateway/adapters chat: post",
        ),
        ("loads (/usr/lib/python3.11/json/__init__.py:3)", "json __init__: loads"),
        ("f (/venv/lib/python3.11/site-packages/grpc/aio/_call.py)", "grpc _call: f"),
        ("Runner.run (/usr/lib/python3.11/asyncio/runners.py:118)", "uvloop : the event loop"),
        ("_PyEval_Vector", "interpreter : _PyEval_Vector"),
    ],
)
def test_a_frame_is_told_by_its_owner(text: str, frame: str) -> None:
    assert str(Frame.parse(text)).startswith(frame)


def test_a_target_is_met_when_it_is_reached() -> None:
    assert Target("x", 4.0, 4.0).line() == "TARGET x: measured 4.00, wanted >= 4.00: met"
    assert Target("x", 3.9, 4.0).line() == "TARGET x: measured 3.90, wanted >= 4.00: missed"
    assert Target("x", None, 4.0).line() == "TARGET x: not measured, wanted >= 4.00: missed"
    less = Target("x", 4.0, 4.0, at_most=True)
    assert less.line() == "TARGET x: measured 4.00, wanted <= 4.00: met"
    more = Target("x", 4.1, 4.0, at_most=True)
    assert more.line() == "TARGET x: measured 4.10, wanted <= 4.00: missed"


def test_a_streamed_text_is_put_together_from_its_events() -> None:
    answer = Answer()
    for delta in ('{"role":"assistant","content":""}', '{"content":"a"}', '{"content":" b"}', "{}"):
        answer.body += b'data: {"choices":[{"delta":' + delta.encode() + b"}]}\n\n"
    answer.body += b"data: [DONE]\n\n"
    assert answer.text(streamed=True) == "a b"


def test_fair_parts_leave_nobody_with_more_than_asked_for() -> None:
    assert fair_shares([1.0, 10.0, 4.0], 30.0) == [1.0, 10.0, 4.0]
    assert fair_shares([1.0, 10.0, 10.0], 9.0) == [1.0, 4.0, 4.0]
    assert fair_shares([5.0, 5.0], 4.0) == [2.0, 2.0]


def test_jains_index_is_one_for_equals_and_the_least_for_one_who_has_all() -> None:
    assert jain([0.7, 0.7, 0.7]) == pytest.approx(1)
    assert jain([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert jain([0.0, 0.0]) == 1


def test_a_word_is_added_what_passes_until_all_of_it_has_come() -> None:
    alone = [(4, 0.1), (10, 0.2), (14, 0.3)]
    guarded = [(4, 0.11), (7, 0.21), (14, 0.35)]
    assert added_to(alone, guarded) == pytest.approx([0.01, 0.15, 0.05])


def test_who_only_prepares_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        begin(prepare=True, prepared=lambda: "It is there.")
    assert capsys.readouterr().out == "It is there.\n"
