"""Proto messages as plain values: there and back, field by field, for real messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.auth.v1 import api_keys_pb2, auth_pb2, sessions_pb2
from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.adapters.account_calls import PROTOS
from headrace_gateway.adapters.messages import fill, plain

TYPES = (
    *(
        GetMessageClass(descriptor)
        for proto in (auth_pb2, *PROTOS)
        for descriptor in proto.DESCRIPTOR.message_types_by_name.values()
    ),
    ErrorInfo,  # has a map
)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(st.characters(exclude_categories=["Cs"])),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_BYTES: st.binary(),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
}
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def _names(enum: Any) -> list[str]:
    """What stands behind the common prefix of a real enum's names."""
    unspecified, *others = (value.name for value in enum.values)
    prefix = unspecified.removesuffix("UNSPECIFIED")
    return [name.removeprefix(prefix).lower() for name in others]


def _values(field: Any) -> st.SearchStrategy[Any]:
    """What a field may hold, but for its presence."""
    if field.message_type is None:
        if field.enum_type is not None:
            return st.sampled_from(_names(field.enum_type))
        return SCALARS[field.type]
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return MOMENTS
    if field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields
        return st.dictionaries(_values(key), _values(value), max_size=3)
    return _messages(field.message_type)


def _messages(descriptor: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Every field of a message, as `plain` gives them."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in descriptor.fields:
        values = _values(field)
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if field.is_repeated and not is_map:
            values = st.lists(values, max_size=3)
        elif field.has_presence:
            values = st.none() | values
        fields[field.name] = values
    members = [[field.name for field in oneof.fields] for oneof in descriptor.oneofs]
    return st.fixed_dictionaries(fields).map(lambda message: _at_most_one_of(message, members))


def _at_most_one_of(message: dict[str, Any], oneofs: list[list[str]]) -> dict[str, Any]:
    """Only the last that is set of each `oneof` is kept, as protobuf does it."""
    for names in oneofs:
        given = [name for name in names if message[name] is not None]
        message |= dict.fromkeys(given[:-1])
    return message


@pytest.mark.parametrize("message_type", TYPES, ids=lambda each: each.DESCRIPTOR.name)
@settings(max_examples=30)
@given(data=st.data())
def test_what_was_filled_in_comes_out_also_after_a_trip_over_the_wire(
    message_type: type[Message], data: st.DataObject
) -> None:
    fields = data.draw(_messages(message_type.DESCRIPTOR))
    message = message_type()
    fill(message, fields)
    assert plain(message) == fields
    arrived = message_type.FromString(message.SerializeToString())
    assert arrived == message
    assert plain(arrived) == fields


def test_none_and_what_is_not_named_stay_unset() -> None:
    request = api_keys_pb2.CreateApiKeyRequest()
    fill(request, {"name": "x", "expires_at": None, "requests_per_minute": None})
    assert request == api_keys_pb2.CreateApiKeyRequest(name="x")
    assert plain(request) == {
        "name": "x",
        "scopes": [],
        "allowed_models": [],
        "expires_at": None,
        "requests_per_minute": None,
        "tokens_per_minute": None,
        "concurrent_requests": None,
        "allowed_networks": [],
        "budget": None,
        "user_id": "",
    }


def test_what_is_optional_and_zero_is_there() -> None:
    request = api_keys_pb2.CreateApiKeyRequest()
    fill(request, {"requests_per_minute": 0})
    assert request.HasField("requests_per_minute")
    assert plain(request)["requests_per_minute"] == 0


def test_a_message_without_any_field_is_there_too() -> None:
    response = sessions_pb2.LoginResponse()
    fill(response, {"principal": {}})
    assert response.HasField("principal")


def test_moments_of_other_time_zones_are_the_same_moments() -> None:
    request = auth_pb2.ListRevocationsRequest()
    fill(request, {"since": datetime.fromisoformat("2026-01-01T01:00:00.000001+01:00")})
    assert plain(request)["since"] == datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["planet", "", "unspecified", "LIMIT_KIND_TOKENS_PER_MINUTE", 1])
def test_an_unknown_enum_name_is_refused_by_field_with_the_known_ones(name: object) -> None:
    limit = auth_pb2.Limit()
    with pytest.raises(HeadraceError) as caught:
        fill(limit, {"kind": name})
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "kind")
    assert caught.value.message == (
        "kind: must be one of requests_per_minute, tokens_per_minute, concurrent_requests"
    )


@pytest.mark.parametrize("name", ["tokens_per_minute", "Tokens_Per_Minute"])
def test_the_case_of_an_enum_name_does_not_matter(name: str) -> None:
    limit = auth_pb2.Limit()
    fill(limit, {"kind": name})
    assert limit.kind == auth_pb2.LIMIT_KIND_TOKENS_PER_MINUTE


def test_an_enum_that_was_not_set_or_is_newer_than_this_release_has_a_name_all_the_same() -> None:
    assert plain(auth_pb2.Limit())["kind"] == "unspecified"
    newer = auth_pb2.Limit.FromString(b"\x08\x63")  # field 1, varint 99
    assert newer.kind == 99
    assert plain(newer)["kind"] == "unknown"


def test_a_field_that_the_call_does_not_have_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        fill(api_keys_pb2.CreateApiKeyRequest(), {"role": "owner"})
