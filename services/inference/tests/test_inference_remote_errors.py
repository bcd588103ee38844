"""A remote's refusals become the caller's mistake, a reason to wait, or the operator's business."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_common.errors import HeadraceError, Reason
from headrace_inference.adapters.openai_remote.errors import MAXIMUM_TEXT, refusal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def refused(status: int, body: object = None, **headers: str) -> HeadraceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(status, named, json.dumps(body).encode(), now=NOW)


@pytest.mark.parametrize(
    ("error", "reason", "param"),
    [
        # OpenAI's, llama.cpp's, vLLM's of old and TGI's ways to say it
        (
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
            Reason.CONTEXT_LENGTH_EXCEEDED,
            "prompt",
        ),
        (
            {"error": {"message": "3030 tokens", "type": "exceed_context_size_error", "code": 400}},
            Reason.CONTEXT_LENGTH_EXCEEDED,
            "prompt",
        ),
        (
            {"object": "error", "message": "This model's maximum context length is 4096 tokens."},
            Reason.CONTEXT_LENGTH_EXCEEDED,
            "prompt",
        ),
        ({"error": {"message": "must be < 2", "param": "n"}}, Reason.INVALID_FIELD, "choices"),
        (
            {"error": {"message": "no", "param": "logprobs", "code": "unsupported_parameter"}},
            Reason.UNSUPPORTED_PARAMETER,
            "logprobs",
        ),
        (
            {"error": {"message": '"auto" tool choice requires --enable-auto-tool-choice'}},
            Reason.UNSUPPORTED_PARAMETER,
            None,
        ),
        (
            {"error": "Input validation error", "error_type": "validation"},
            Reason.INVALID_FIELD,
            None,
        ),
        ({"detail": [{"loc": ["body"]}]}, Reason.INVALID_FIELD, None),
        (["?"], Reason.INVALID_FIELD, None),
    ],
)
def test_a_bad_request_is_the_callers(error: object, reason: Reason, param: str | None) -> None:
    for status in (400, 422):
        told = refused(status, error)
        assert (told.reason, told.param) == (reason, param)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, Reason.ENGINE_FAILED),
        (401, Reason.ENGINE_FAILED),
        (403, Reason.ENGINE_FAILED),
        (404, Reason.ENGINE_FAILED),
        (413, Reason.REQUEST_TOO_LARGE),
        (418, Reason.ENGINE_FAILED),
        (429, Reason.QUEUE_FULL),
        (500, Reason.NOT_SERVING),
        (501, Reason.ENGINE_FAILED),
        (503, Reason.NOT_SERVING),
        (999, Reason.NOT_SERVING),
    ],
)
def test_other_statuses_tell_nothing_of_what_the_remote_says(status: int, reason: Reason) -> None:
    told = refused(status, {"error": {"message": "canary"}})
    assert told.reason is reason
    assert "canary" not in told.message


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-3", 1.0),
        ("1e9", 3600.0),
        ("nan", 1.0),
        ("Wed, 25 Nov 2026 12:00:20 GMT", 20.0),
        ("soon", 1.0),
        ("", 1.0),
    ],
)
def test_the_remotes_hint_when_to_come_back_is_passed_on(header: str, seconds: float) -> None:
    for status in (429, 503):
        assert refused(status, retry_after=header).retry_after_seconds == seconds


@pytest.mark.parametrize("before", ["", "a" * (MAXIMUM_TEXT - 4)])
def test_a_secret_is_not_passed_on_however_it_is_written(before: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in "sk-canary")
    for quoted in ("sk-canary", escaped):
        body = f'{{"error": {{"message": "{before}{quoted}", "param": "{quoted}"}}}}'.encode()
        told = refusal(400, {}, body, now=NOW, secret="sk-canary")
        assert "sk-" not in told.message
        assert told.param == "[key]"


@given(
    st.binary(max_size=200)
    | st.recursive(st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_whatever_it_says_the_message_is_one_short_line(body: bytes) -> None:
    told = refusal(400, {}, body, now=NOW)
    assert told.reason in (
        Reason.INVALID_FIELD,
        Reason.UNSUPPORTED_PARAMETER,
        Reason.CONTEXT_LENGTH_EXCEEDED,
    )
    assert len(told.message) < MAXIMUM_TEXT + 60
    assert told.message.isprintable()
