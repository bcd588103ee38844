"""Which entries the cache accepts, and that no two different requests share a name."""

from dataclasses import fields, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace_cache.domain.entries import CacheKey, EntryRules, check_key, storage_name
from headrace_common.errors import HeadraceError, Reason

KEY = CacheKey("org_1", "smollm2", "v1", "p1", b"\x01" * 32)
RULES = EntryRules(default_time_to_live=60, maximum_time_to_live=600, maximum_payload_bytes=10)
TEXTS = st.text(min_size=1, max_size=8)
KEYS = st.builds(CacheKey, TEXTS, TEXTS, TEXTS, TEXTS, st.binary(min_size=32, max_size=32))


@given(KEYS, KEYS)
def test_different_keys_have_different_names(one: CacheKey, other: CacheKey) -> None:
    assume(one != other)
    assert storage_name(one) != storage_name(other)


@given(st.lists(st.text(max_size=3), min_size=2, max_size=2), TEXTS)
def test_text_moved_between_fields_changes_the_name(parts: list[str], filler: str) -> None:
    assume(parts[1])
    left = replace(KEY, model=filler + parts[0], model_version=parts[1] + filler)
    right = replace(KEY, model=filler + parts[0] + parts[1], model_version=filler)
    assert storage_name(left) != storage_name(right)


@pytest.mark.parametrize("field", [f.name for f in fields(CacheKey)])
def test_every_field_of_a_key_is_required(field: str) -> None:
    empty = replace(KEY, **{field: type(getattr(KEY, field))()})
    with pytest.raises(HeadraceError) as caught:
        check_key(empty)
    assert caught.value.reason is Reason.INVALID_FIELD
    assert caught.value.param == f"key.{field}"


@pytest.mark.parametrize(
    ("wanted", "kept"), [(None, 60), (1, 1), (59.9, 59), (600, 600), (10**9, 600)]
)
def test_time_to_live_has_a_default_and_a_maximum(wanted: float | None, kept: int) -> None:
    assert RULES.time_to_live(wanted) == kept


@pytest.mark.parametrize("wanted", [0, -5, 0.5])
def test_time_to_live_below_a_second_is_refused(wanted: float) -> None:
    with pytest.raises(HeadraceError, match="time_to_live must be at least 1 second"):
        RULES.time_to_live(wanted)


@pytest.mark.parametrize("payload", [b"", b"x" * 11])
def test_payloads_out_of_bounds_are_refused(payload: bytes) -> None:
    with pytest.raises(HeadraceError) as caught:
        RULES.check_payload(payload)
    assert caught.value.param == "answer.payload"
