import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CredentialKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CREDENTIAL_KIND_UNSPECIFIED: _ClassVar[CredentialKind]
    CREDENTIAL_KIND_API_KEY: _ClassVar[CredentialKind]
    CREDENTIAL_KIND_ACCESS_TOKEN: _ClassVar[CredentialKind]
    CREDENTIAL_KIND_SIGNATURE: _ClassVar[CredentialKind]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_OWNER: _ClassVar[Role]
    ROLE_ADMIN: _ClassVar[Role]
    ROLE_MEMBER: _ClassVar[Role]
    ROLE_AUDITOR: _ClassVar[Role]
    ROLE_SERVICE: _ClassVar[Role]

class LimitKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIMIT_KIND_UNSPECIFIED: _ClassVar[LimitKind]
    LIMIT_KIND_REQUESTS_PER_MINUTE: _ClassVar[LimitKind]
    LIMIT_KIND_TOKENS_PER_MINUTE: _ClassVar[LimitKind]
    LIMIT_KIND_CONCURRENT_REQUESTS: _ClassVar[LimitKind]

class LimitSubject(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIMIT_SUBJECT_UNSPECIFIED: _ClassVar[LimitSubject]
    LIMIT_SUBJECT_ORGANIZATION: _ClassVar[LimitSubject]
    LIMIT_SUBJECT_TEAM: _ClassVar[LimitSubject]
    LIMIT_SUBJECT_USER: _ClassVar[LimitSubject]
    LIMIT_SUBJECT_API_KEY: _ClassVar[LimitSubject]

class BudgetPeriod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUDGET_PERIOD_UNSPECIFIED: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_DAY: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_WEEK: _ClassVar[BudgetPeriod]
    BUDGET_PERIOD_MONTH: _ClassVar[BudgetPeriod]

class Tier(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIER_UNSPECIFIED: _ClassVar[Tier]
    TIER_FREE: _ClassVar[Tier]
    TIER_STANDARD: _ClassVar[Tier]
    TIER_PREMIUM: _ClassVar[Tier]
CREDENTIAL_KIND_UNSPECIFIED: CredentialKind
CREDENTIAL_KIND_API_KEY: CredentialKind
CREDENTIAL_KIND_ACCESS_TOKEN: CredentialKind
CREDENTIAL_KIND_SIGNATURE: CredentialKind
ROLE_UNSPECIFIED: Role
ROLE_OWNER: Role
ROLE_ADMIN: Role
ROLE_MEMBER: Role
ROLE_AUDITOR: Role
ROLE_SERVICE: Role
LIMIT_KIND_UNSPECIFIED: LimitKind
LIMIT_KIND_REQUESTS_PER_MINUTE: LimitKind
LIMIT_KIND_TOKENS_PER_MINUTE: LimitKind
LIMIT_KIND_CONCURRENT_REQUESTS: LimitKind
LIMIT_SUBJECT_UNSPECIFIED: LimitSubject
LIMIT_SUBJECT_ORGANIZATION: LimitSubject
LIMIT_SUBJECT_TEAM: LimitSubject
LIMIT_SUBJECT_USER: LimitSubject
LIMIT_SUBJECT_API_KEY: LimitSubject
BUDGET_PERIOD_UNSPECIFIED: BudgetPeriod
BUDGET_PERIOD_DAY: BudgetPeriod
BUDGET_PERIOD_WEEK: BudgetPeriod
BUDGET_PERIOD_MONTH: BudgetPeriod
TIER_UNSPECIFIED: Tier
TIER_FREE: Tier
TIER_STANDARD: Tier
TIER_PREMIUM: Tier

class ResolveCredentialRequest(_message.Message):
    __slots__ = ("credential",)
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    credential: str
    def __init__(self, credential: _Optional[str] = ...) -> None: ...

class ResolveCredentialResponse(_message.Message):
    __slots__ = ("principal",)
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    principal: Principal
    def __init__(self, principal: _Optional[_Union[Principal, _Mapping]] = ...) -> None: ...

class Principal(_message.Message):
    __slots__ = ("credential_id", "credential_kind", "user_id", "organization_id", "role", "scopes", "allowed_models", "limits", "budgets", "expires_at", "allowed_networks", "revocation_ids", "session_id", "client_id", "tier", "prices")
    CREDENTIAL_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_KIND_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_MODELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_NETWORKS_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_IDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    credential_id: str
    credential_kind: CredentialKind
    user_id: str
    organization_id: str
    role: Role
    scopes: _containers.RepeatedScalarFieldContainer[str]
    allowed_models: _containers.RepeatedScalarFieldContainer[str]
    limits: _containers.RepeatedCompositeFieldContainer[Limit]
    budgets: _containers.RepeatedCompositeFieldContainer[Budget]
    expires_at: _timestamp_pb2.Timestamp
    allowed_networks: _containers.RepeatedScalarFieldContainer[str]
    revocation_ids: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    client_id: str
    tier: Tier
    prices: PriceTable
    def __init__(self, credential_id: _Optional[str] = ..., credential_kind: _Optional[_Union[CredentialKind, str]] = ..., user_id: _Optional[str] = ..., organization_id: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., scopes: _Optional[_Iterable[str]] = ..., allowed_models: _Optional[_Iterable[str]] = ..., limits: _Optional[_Iterable[_Union[Limit, _Mapping]]] = ..., budgets: _Optional[_Iterable[_Union[Budget, _Mapping]]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., allowed_networks: _Optional[_Iterable[str]] = ..., revocation_ids: _Optional[_Iterable[str]] = ..., session_id: _Optional[str] = ..., client_id: _Optional[str] = ..., tier: _Optional[_Union[Tier, str]] = ..., prices: _Optional[_Union[PriceTable, _Mapping]] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("kind", "subject", "subject_id", "model", "amount")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    kind: LimitKind
    subject: LimitSubject
    subject_id: str
    model: str
    amount: int
    def __init__(self, kind: _Optional[_Union[LimitKind, str]] = ..., subject: _Optional[_Union[LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., model: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("subject", "subject_id", "amount_micros", "currency", "period", "time_zone", "model")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    subject: LimitSubject
    subject_id: str
    amount_micros: int
    currency: str
    period: BudgetPeriod
    time_zone: str
    model: str
    def __init__(self, subject: _Optional[_Union[LimitSubject, str]] = ..., subject_id: _Optional[str] = ..., amount_micros: _Optional[int] = ..., currency: _Optional[str] = ..., period: _Optional[_Union[BudgetPeriod, str]] = ..., time_zone: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class PriceTable(_message.Message):
    __slots__ = ("version", "currency", "effective_at", "created_at", "prices")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    version: int
    currency: str
    effective_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    prices: _containers.RepeatedCompositeFieldContainer[ModelPrice]
    def __init__(self, version: _Optional[int] = ..., currency: _Optional[str] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., prices: _Optional[_Iterable[_Union[ModelPrice, _Mapping]]] = ...) -> None: ...

class ModelPrice(_message.Message):
    __slots__ = ("model", "input_micros_per_million_tokens", "output_micros_per_million_tokens")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_MICROS_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MICROS_PER_MILLION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model: str
    input_micros_per_million_tokens: int
    output_micros_per_million_tokens: int
    def __init__(self, model: _Optional[str] = ..., input_micros_per_million_tokens: _Optional[int] = ..., output_micros_per_million_tokens: _Optional[int] = ...) -> None: ...

class GetJsonWebKeySetRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetJsonWebKeySetResponse(_message.Message):
    __slots__ = ("keys", "issuer", "audience")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[JsonWebKey]
    issuer: str
    audience: str
    def __init__(self, keys: _Optional[_Iterable[_Union[JsonWebKey, _Mapping]]] = ..., issuer: _Optional[str] = ..., audience: _Optional[str] = ...) -> None: ...

class JsonWebKey(_message.Message):
    __slots__ = ("kid", "jwk_json")
    KID_FIELD_NUMBER: _ClassVar[int]
    JWK_JSON_FIELD_NUMBER: _ClassVar[int]
    kid: str
    jwk_json: str
    def __init__(self, kid: _Optional[str] = ..., jwk_json: _Optional[str] = ...) -> None: ...

class ListRevocationsRequest(_message.Message):
    __slots__ = ("since", "page_size", "page_token")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRevocationsResponse(_message.Message):
    __slots__ = ("revocations", "now", "next_page_token")
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revocations: _containers.RepeatedCompositeFieldContainer[Revocation]
    now: _timestamp_pb2.Timestamp
    next_page_token: str
    def __init__(self, revocations: _Optional[_Iterable[_Union[Revocation, _Mapping]]] = ..., now: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("organization_id", "revocation_id")
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_ID_FIELD_NUMBER: _ClassVar[int]
    organization_id: str
    revocation_id: str
    def __init__(self, organization_id: _Optional[str] = ..., revocation_id: _Optional[str] = ...) -> None: ...

class ResolveSignedRequestRequest(_message.Message):
    __slots__ = ("key_id", "algorithm", "signature_base", "signature", "created", "nonce")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_BASE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    algorithm: str
    signature_base: bytes
    signature: bytes
    created: _timestamp_pb2.Timestamp
    nonce: str
    def __init__(self, key_id: _Optional[str] = ..., algorithm: _Optional[str] = ..., signature_base: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., created: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nonce: _Optional[str] = ...) -> None: ...

class ResolveSignedRequestResponse(_message.Message):
    __slots__ = ("principal",)
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    principal: Principal
    def __init__(self, principal: _Optional[_Union[Principal, _Mapping]] = ...) -> None: ...

class ReportKeyUsesRequest(_message.Message):
    __slots__ = ("batch_id", "uses")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    batch_id: str
    uses: _containers.RepeatedCompositeFieldContainer[KeyUse]
    def __init__(self, batch_id: _Optional[str] = ..., uses: _Optional[_Iterable[_Union[KeyUse, _Mapping]]] = ...) -> None: ...

class KeyUse(_message.Message):
    __slots__ = ("api_key_id", "count", "last_used_at")
    API_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    api_key_id: str
    count: int
    last_used_at: _timestamp_pb2.Timestamp
    def __init__(self, api_key_id: _Optional[str] = ..., count: _Optional[int] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReportKeyUsesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
