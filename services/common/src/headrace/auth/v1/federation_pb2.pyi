import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headrace.auth.v1 import auth_pb2 as _auth_pb2
from headrace.auth.v1 import sessions_pb2 as _sessions_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartFederatedLoginRequest(_message.Message):
    __slots__ = ("provider", "redirect_uri", "code_challenge")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CODE_CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    redirect_uri: str
    code_challenge: str
    def __init__(self, provider: _Optional[str] = ..., redirect_uri: _Optional[str] = ..., code_challenge: _Optional[str] = ...) -> None: ...

class StartFederatedLoginResponse(_message.Message):
    __slots__ = ("authorization_url",)
    AUTHORIZATION_URL_FIELD_NUMBER: _ClassVar[int]
    authorization_url: str
    def __init__(self, authorization_url: _Optional[str] = ...) -> None: ...

class CompleteFederatedLoginRequest(_message.Message):
    __slots__ = ("provider", "state", "code", "error")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    provider: str
    state: str
    code: str
    error: str
    def __init__(self, provider: _Optional[str] = ..., state: _Optional[str] = ..., code: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class CompleteFederatedLoginResponse(_message.Message):
    __slots__ = ("redirect_uri", "login_code", "error")
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    LOGIN_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    redirect_uri: str
    login_code: str
    error: str
    def __init__(self, redirect_uri: _Optional[str] = ..., login_code: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class ExchangeLoginCodeRequest(_message.Message):
    __slots__ = ("code", "code_verifier", "organization_id", "second_factor_code")
    CODE_FIELD_NUMBER: _ClassVar[int]
    CODE_VERIFIER_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATION_ID_FIELD_NUMBER: _ClassVar[int]
    SECOND_FACTOR_CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    code_verifier: str
    organization_id: str
    second_factor_code: str
    def __init__(self, code: _Optional[str] = ..., code_verifier: _Optional[str] = ..., organization_id: _Optional[str] = ..., second_factor_code: _Optional[str] = ...) -> None: ...

class ExchangeLoginCodeResponse(_message.Message):
    __slots__ = ("tokens", "principal", "identity")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    tokens: _sessions_pb2.Tokens
    principal: _auth_pb2.Principal
    identity: LinkedIdentity
    def __init__(self, tokens: _Optional[_Union[_sessions_pb2.Tokens, _Mapping]] = ..., principal: _Optional[_Union[_auth_pb2.Principal, _Mapping]] = ..., identity: _Optional[_Union[LinkedIdentity, _Mapping]] = ...) -> None: ...

class LinkedIdentity(_message.Message):
    __slots__ = ("provider", "subject", "email", "created_at")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    provider: str
    subject: str
    email: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, provider: _Optional[str] = ..., subject: _Optional[str] = ..., email: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LinkIdentityRequest(_message.Message):
    __slots__ = ("provider", "redirect_uri", "code_challenge", "password", "code")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URI_FIELD_NUMBER: _ClassVar[int]
    CODE_CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    redirect_uri: str
    code_challenge: str
    password: str
    code: str
    def __init__(self, provider: _Optional[str] = ..., redirect_uri: _Optional[str] = ..., code_challenge: _Optional[str] = ..., password: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class LinkIdentityResponse(_message.Message):
    __slots__ = ("authorization_url",)
    AUTHORIZATION_URL_FIELD_NUMBER: _ClassVar[int]
    authorization_url: str
    def __init__(self, authorization_url: _Optional[str] = ...) -> None: ...

class ListIdentitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListIdentitiesResponse(_message.Message):
    __slots__ = ("identities",)
    IDENTITIES_FIELD_NUMBER: _ClassVar[int]
    identities: _containers.RepeatedCompositeFieldContainer[LinkedIdentity]
    def __init__(self, identities: _Optional[_Iterable[_Union[LinkedIdentity, _Mapping]]] = ...) -> None: ...

class UnlinkIdentityRequest(_message.Message):
    __slots__ = ("provider", "subject", "password", "code")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    subject: str
    password: str
    code: str
    def __init__(self, provider: _Optional[str] = ..., subject: _Optional[str] = ..., password: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class UnlinkIdentityResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
