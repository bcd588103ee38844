import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headrace.auth.v1 import auth_pb2 as _auth_pb2
from headrace.auth.v1 import directory_pb2 as _directory_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListLimitsRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "organization_id", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    organization_id: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., organization_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLimitsResponse(_message.Message):
    __slots__ = ("limits", "next_page_token")
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    limits: _containers.RepeatedCompositeFieldContainer[_auth_pb2.Limit]
    next_page_token: str
    def __init__(self, limits: _Optional[_Iterable[_Union[_auth_pb2.Limit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetLimitRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "kind", "model", "amount", "organization_id")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    kind: _auth_pb2.LimitKind
    model: str
    amount: int
    organization_id: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., kind: _Optional[_Union[_auth_pb2.LimitKind, str]] = ..., model: _Optional[str] = ..., amount: _Optional[int] = ..., organization_id: _Optional[str] = ...) -> None: ...

class SetLimitResponse(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: _auth_pb2.Limit
    def __init__(self, limit: _Optional[_Union[_auth_pb2.Limit, _Mapping]] = ...) -> None: ...

class RemoveLimitRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "kind", "model", "organization_id")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    kind: _auth_pb2.LimitKind
    model: str
    organization_id: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., kind: _Optional[_Union[_auth_pb2.LimitKind, str]] = ..., model: _Optional[str] = ..., organization_id: _Optional[str] = ...) -> None: ...

class RemoveLimitResponse(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: _auth_pb2.Limit
    def __init__(self, limit: _Optional[_Union[_auth_pb2.Limit, _Mapping]] = ...) -> None: ...

class ListBudgetsRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "organization_id", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    organization_id: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., organization_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListBudgetsResponse(_message.Message):
    __slots__ = ("budgets", "next_page_token")
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedCompositeFieldContainer[_auth_pb2.Budget]
    next_page_token: str
    def __init__(self, budgets: _Optional[_Iterable[_Union[_auth_pb2.Budget, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SetBudgetRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "amount_micros", "currency", "period", "time_zone", "model", "organization_id")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    amount_micros: int
    currency: str
    period: _auth_pb2.BudgetPeriod
    time_zone: str
    model: str
    organization_id: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., amount_micros: _Optional[int] = ..., currency: _Optional[str] = ..., period: _Optional[_Union[_auth_pb2.BudgetPeriod, str]] = ..., time_zone: _Optional[str] = ..., model: _Optional[str] = ..., organization_id: _Optional[str] = ...) -> None: ...

class SetBudgetResponse(_message.Message):
    __slots__ = ("budget",)
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    budget: _auth_pb2.Budget
    def __init__(self, budget: _Optional[_Union[_auth_pb2.Budget, _Mapping]] = ...) -> None: ...

class RemoveBudgetRequest(_message.Message):
    __slots__ = ("subject", "subject_id", "period", "model", "organization_id")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    subject: _auth_pb2.LimitSubject
    subject_id: str
    period: _auth_pb2.BudgetPeriod
    model: str
    organization_id: str
    def __init__(self, subject: _Optional[_Union[_auth_pb2.LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., period: _Optional[_Union[_auth_pb2.BudgetPeriod, str]] = ..., model: _Optional[str] = ..., organization_id: _Optional[str] = ...) -> None: ...

class RemoveBudgetResponse(_message.Message):
    __slots__ = ("budget",)
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    budget: _auth_pb2.Budget
    def __init__(self, budget: _Optional[_Union[_auth_pb2.Budget, _Mapping]] = ...) -> None: ...

class GetPriceTableRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class GetPriceTableResponse(_message.Message):
    __slots__ = ("price_table",)
    PRICE_TABLE_FIELD_NUMBER: _ClassVar[int]
    price_table: _auth_pb2.PriceTable
    def __init__(self, price_table: _Optional[_Union[_auth_pb2.PriceTable, _Mapping]] = ...) -> None: ...

class SetPriceTableRequest(_message.Message):
    __slots__ = ("currency", "effective_at", "prices")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    currency: str
    effective_at: _timestamp_pb2.Timestamp
    prices: _containers.RepeatedCompositeFieldContainer[_auth_pb2.ModelPrice]
    def __init__(self, currency: _Optional[str] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., prices: _Optional[_Iterable[_Union[_auth_pb2.ModelPrice, _Mapping]]] = ...) -> None: ...

class SetPriceTableResponse(_message.Message):
    __slots__ = ("price_table",)
    PRICE_TABLE_FIELD_NUMBER: _ClassVar[int]
    price_table: _auth_pb2.PriceTable
    def __init__(self, price_table: _Optional[_Union[_auth_pb2.PriceTable, _Mapping]] = ...) -> None: ...

class SetTierRequest(_message.Message):
    __slots__ = ("organization_id", "tier")
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    organization_id: str
    tier: _auth_pb2.Tier
    def __init__(self, organization_id: _Optional[str] = ..., tier: _Optional[_Union[_auth_pb2.Tier, str]] = ...) -> None: ...

class SetTierResponse(_message.Message):
    __slots__ = ("organization",)
    ORGANIZATION_FIELD_NUMBER: _ClassVar[int]
    organization: _directory_pb2.Organization
    def __init__(self, organization: _Optional[_Union[_directory_pb2.Organization, _Mapping]] = ...) -> None: ...
