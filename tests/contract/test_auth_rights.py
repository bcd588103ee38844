"""Deny by default on the wire: every call of auth asks who calls, and then the table of rights."""

from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from headrace.auth import v1
from headrace_auth.domain.api_keys import mint
from headrace_auth.domain.principal import Scope
from headrace_auth.domain.rights import Action
from headrace_auth.testing.directory import MEMBER, SERVICE
from headrace_auth.testing.service import RunningAuth, bearer
from headrace_auth.testing.suites import keep, make_key
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors

PROTOS = [
    import_module(f"headrace.auth.v1.{module.name}")
    for module in iter_modules(v1.__path__)
    if module.name.endswith("_pb2")
]
METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for proto in PROTOS
    for service in proto.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
OF_GATEWAYS = {
    "GetJsonWebKeySet",
    "ListRevocations",
    "ReportKeyUses",
    "ResolveCredential",
    "ResolveSignedRequest",
}
OF_STRANGERS = {
    "Bootstrap",  # asks for its own token
    "CompleteFederatedLogin",
    "ExchangeLoginCode",
    "Login",
    "Refresh",
    "Register",
    "RequestPasswordReset",
    "ResendVerification",
    "ResetPassword",
    "StartFederatedLogin",
    "VerifyEmail",
    # Whoever is asked to allow an application something may look and say no; a yes takes
    # a password.
    "AllowClient",
    "DenyClient",
    "GetAuthorization",
}
OF_APPLICATIONS = {
    "CheckAuthorization",
    "GetServerMetadata",
    "IntrospectToken",
    "IssueToken",
    "RevokeToken",
}
"""An application shows its own credential in the request, or is anybody."""
DECIDED = sorted({*(action.value for action in Action)} & set(METHODS))
A_LIMIT = {"subject": "LIMIT_SUBJECT_USER", "subject_id": MEMBER.user_id}
A_RATE = {**A_LIMIT, "kind": "LIMIT_KIND_REQUESTS_PER_MINUTE"}
A_BUDGET = {**A_LIMIT, "period": "BUDGET_PERIOD_DAY"}
WELL_FORMED: dict[str, dict[str, Any]] = {
    "CreateApiKey": {"name": "x"},
    "CreateSigningCredential": {"name": "x", "signature_algorithm": "hmac-sha256"},
    "InviteUser": {"email": "new@acme.test", "role": "ROLE_MEMBER"},
    "RemoveBudget": A_BUDGET,
    "RemoveLimit": A_RATE,
    "SetBudget": {**A_BUDGET, "currency": "EUR", "time_zone": "UTC"},
    "SetLimit": {**A_RATE, "amount": 1},
    "SetPriceTable": {"currency": "EUR", "prices": [{"model": "m"}]},
    "SetTier": {"tier": "TIER_FREE"},
    "UpdateApiKey": {"api_key_id": "x", "name": "x", "update_mask": {"paths": ["name"]}},
}
"""Requests to the calls that do not take an empty one: a wrong form is told to anybody."""


async def _refusal(auth: RunningAuth, name: str, credential: str | None) -> HeadraceError:
    method = METHODS[name]
    request = GetMessageClass(method.input_type)
    call: Any = auth.channel.unary_unary(
        f"/{method.containing_service.full_name}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    metadata = bearer(credential) if credential is not None else ()
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("auth"):
        await call(request(**WELL_FORMED.get(name, {})), metadata=metadata, timeout=5)
    return caught.value


def test_every_call_is_decided_by_the_table_or_is_named_here() -> None:
    named = OF_GATEWAYS | OF_STRANGERS | OF_APPLICATIONS
    assert set(METHODS) == named | set(DECIDED)
    assert not named & set(DECIDED)


async def test_nobody_is_asked_for_a_credential_first(auth: RunningAuth) -> None:
    for name in DECIDED:
        assert (await _refusal(auth, name, None)).reason is Reason.CREDENTIAL_MISSING, name
        assert (await _refusal(auth, name, "x.y.z")).reason is Reason.CREDENTIAL_INVALID, name


async def test_who_has_no_right_is_refused_whatever_it_asks_for(auth: RunningAuth) -> None:
    text = mint(b"s" * 44)
    key = replace(
        make_key(1, made_by=SERVICE.user_id),
        api_key_id=text.api_key_id,
        secret_sha256=text.secret_sha256,
        scopes=frozenset(Scope),
    )
    await keep(auth.store, key)
    for name in DECIDED:
        refusal = await _refusal(auth, name, text.reveal())
        assert refusal.reason is Reason.PERMISSION_DENIED, name
