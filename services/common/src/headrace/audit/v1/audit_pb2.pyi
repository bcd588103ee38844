import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_COMPLETION: _ClassVar[EventKind]
    EVENT_KIND_MODEL_LIST: _ClassVar[EventKind]
    EVENT_KIND_LOGIN: _ClassVar[EventKind]
    EVENT_KIND_API_KEY_CREATE: _ClassVar[EventKind]
    EVENT_KIND_API_KEY_LIST: _ClassVar[EventKind]
    EVENT_KIND_API_KEY_REVOKE: _ClassVar[EventKind]
    EVENT_KIND_ADMINISTRATION: _ClassVar[EventKind]
    EVENT_KIND_SESSION: _ClassVar[EventKind]
    EVENT_KIND_CHANGE: _ClassVar[EventKind]
    EVENT_KIND_SECURITY: _ClassVar[EventKind]
    EVENT_KIND_EMBEDDING: _ClassVar[EventKind]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_SUCCEEDED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_CANCELLED: _ClassVar[Outcome]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_COMPLETION: EventKind
EVENT_KIND_MODEL_LIST: EventKind
EVENT_KIND_LOGIN: EventKind
EVENT_KIND_API_KEY_CREATE: EventKind
EVENT_KIND_API_KEY_LIST: EventKind
EVENT_KIND_API_KEY_REVOKE: EventKind
EVENT_KIND_ADMINISTRATION: EventKind
EVENT_KIND_SESSION: EventKind
EVENT_KIND_CHANGE: EventKind
EVENT_KIND_SECURITY: EventKind
EVENT_KIND_EMBEDDING: EventKind
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_SUCCEEDED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_CANCELLED: Outcome

class RecordEventsRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[AuditEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[AuditEvent, _Mapping]]] = ...) -> None: ...

class RecordEventsResponse(_message.Message):
    __slots__ = ("stored", "duplicates")
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    stored: int
    duplicates: int
    def __init__(self, stored: _Optional[int] = ..., duplicates: _Optional[int] = ...) -> None: ...

class AuditEvent(_message.Message):
    __slots__ = ("event_id", "kind", "occurred_at", "writer", "request_id", "actor", "source_address", "operation", "outcome", "error_reason", "http_status", "resource", "model_use", "change")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_USE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    kind: EventKind
    occurred_at: _timestamp_pb2.Timestamp
    writer: str
    request_id: str
    actor: Actor
    source_address: str
    operation: str
    outcome: Outcome
    error_reason: str
    http_status: int
    resource: str
    model_use: ModelUse
    change: Change
    def __init__(self, event_id: _Optional[str] = ..., kind: _Optional[_Union[EventKind, str]] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., writer: _Optional[str] = ..., request_id: _Optional[str] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., source_address: _Optional[str] = ..., operation: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., error_reason: _Optional[str] = ..., http_status: _Optional[int] = ..., resource: _Optional[str] = ..., model_use: _Optional[_Union[ModelUse, _Mapping]] = ..., change: _Optional[_Union[Change, _Mapping]] = ...) -> None: ...

class Actor(_message.Message):
    __slots__ = ("user_id", "organization_id", "credential_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    organization_id: str
    credential_id: str
    def __init__(self, user_id: _Optional[str] = ..., organization_id: _Optional[str] = ..., credential_id: _Optional[str] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("before_json", "after_json")
    BEFORE_JSON_FIELD_NUMBER: _ClassVar[int]
    AFTER_JSON_FIELD_NUMBER: _ClassVar[int]
    before_json: str
    after_json: str
    def __init__(self, before_json: _Optional[str] = ..., after_json: _Optional[str] = ...) -> None: ...

class ModelUse(_message.Message):
    __slots__ = ("model", "model_version", "guard_policy_version", "guard_decisions", "cache_status", "prompt_tokens", "completion_tokens", "finish_reasons", "total_time", "time_to_first_token", "queue_time", "streamed", "served_model", "cohort", "end_user", "cost")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    GUARD_POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    GUARD_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    CACHE_STATUS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASONS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_FIRST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMED_FIELD_NUMBER: _ClassVar[int]
    SERVED_MODEL_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    END_USER_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    guard_policy_version: str
    guard_decisions: _containers.RepeatedScalarFieldContainer[str]
    cache_status: str
    prompt_tokens: int
    completion_tokens: int
    finish_reasons: _containers.RepeatedScalarFieldContainer[str]
    total_time: _duration_pb2.Duration
    time_to_first_token: _duration_pb2.Duration
    queue_time: _duration_pb2.Duration
    streamed: bool
    served_model: str
    cohort: str
    end_user: str
    cost: Cost
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., guard_policy_version: _Optional[str] = ..., guard_decisions: _Optional[_Iterable[str]] = ..., cache_status: _Optional[str] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., finish_reasons: _Optional[_Iterable[str]] = ..., total_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., time_to_first_token: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., queue_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., streamed: _Optional[bool] = ..., served_model: _Optional[str] = ..., cohort: _Optional[str] = ..., end_user: _Optional[str] = ..., cost: _Optional[_Union[Cost, _Mapping]] = ...) -> None: ...

class Cost(_message.Message):
    __slots__ = ("currency", "amount_micros", "price_version", "budgets")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    PRICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    currency: str
    amount_micros: int
    price_version: int
    budgets: _containers.RepeatedCompositeFieldContainer[ChargedBudget]
    def __init__(self, currency: _Optional[str] = ..., amount_micros: _Optional[int] = ..., price_version: _Optional[int] = ..., budgets: _Optional[_Iterable[_Union[ChargedBudget, _Mapping]]] = ...) -> None: ...

class ChargedBudget(_message.Message):
    __slots__ = ("subject", "model", "period", "period_start")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    subject: str
    model: str
    period: str
    period_start: _timestamp_pb2.Timestamp
    def __init__(self, subject: _Optional[str] = ..., model: _Optional[str] = ..., period: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
