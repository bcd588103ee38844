"""What makes an error a clear one."""

from collections.abc import Collection

from tests.chaos.callers import PROXY_ERROR, Answer

CLEAR_CODES = {PROXY_ERROR, "dependency_unavailable", "not_serving"}


def assert_clear(
    answer: Answer, codes: Collection[str], statuses: Collection[int] = (503,)
) -> None:
    """The caller learns why, which request it was, and when to come again."""
    assert answer.status in statuses, answer
    assert answer.code in codes, answer
    assert answer.request_id or answer.code == PROXY_ERROR, answer
    if answer.status == 503:
        assert int(answer.retry_after) >= 1, answer
