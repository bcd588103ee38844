"""Between the messages of ApiKeyService and domain objects."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from headrace.auth.v1 import api_keys_pb2, auth_pb2
from headrace_auth.domain.api_key_updates import ApiKeyUpdate
from headrace_auth.domain.budgets import Allowance, check_allowance
from headrace_auth.domain.fields import (
    ApiKeyRequest,
    check_api_key_request,
    check_expiry,
    check_models,
    check_name,
    check_rate,
    check_scopes,
)
from headrace_auth.domain.networks import check_networks
from headrace_auth.domain.principal import Budget, BudgetPeriod, LimitKind
from headrace_auth.domain.refusals import invalid_field
from headrace_auth.servicers.messages import optional_time, timestamp
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView
from headrace_common.proto_enums import from_proto, to_proto

RATES = tuple(LimitKind)
"""Fields of a key's messages, under the same name."""

FIELDS: Mapping[str, Callable[[Any, datetime], Any]] = MappingProxyType(
    {
        "name": lambda message, _: check_name(message.name),
        "scopes": lambda message, _: _some_scopes(message),
        "allowed_models": lambda message, _: check_models(message.allowed_models),
        "allowed_networks": lambda message, _: check_networks(
            "allowed_networks", message.allowed_networks
        ),
        "expires_at": lambda message, now: check_expiry(optional_time(message, "expires_at"), now),
    }
)
"""Fields of a key that an update may name, and how each is read."""


def api_key_request(
    message: api_keys_pb2.CreateApiKeyRequest | api_keys_pb2.CreateSigningCredentialRequest,
    now: datetime,
) -> ApiKeyRequest:
    """Raises INVALID_FIELD."""
    request = check_api_key_request(
        name=message.name,
        scopes=message.scopes,
        allowed_models=message.allowed_models,
        expires_at=optional_time(message, "expires_at"),
        rates=[(kind, getattr(message, kind)) for kind in RATES if message.HasField(kind)],
        now=now,
        allowed_networks=message.allowed_networks,
        budget=_allowance(message),
    )
    return replace(request, user_id=message.user_id)


def api_key_update(message: api_keys_pb2.UpdateApiKeyRequest, now: datetime) -> ApiKeyUpdate:
    """What the mask names; raises INVALID_FIELD."""
    paths = set(message.update_mask.paths)
    known = {*FIELDS, *RATES, "budget"}
    if not paths or paths - known:
        raise invalid_field("update_mask", f"must name some of {', '.join(sorted(known))}")
    budget = _allowance(message)
    return ApiKeyUpdate(
        fields={name: read(message, now) for name, read in FIELDS.items() if name in paths},
        rates={kind: _rate(message, kind) for kind in RATES if kind in paths},
        budgets=((budget,) if budget else ()) if "budget" in paths else None,
    )


def api_key_message(view: ApiKeyView) -> api_keys_pb2.ApiKey:
    """With the limits and the budget that a key's messages have fields for."""
    key, use = view.key, view.use
    message = api_keys_pb2.ApiKey(
        api_key_id=key.api_key_id,
        name=key.name,
        scopes=sorted(key.scopes),
        allowed_models=key.allowed_models,
        created_by=key.created_by,
        created_at=timestamp(key.created_at),
        expires_at=timestamp(key.expires_at),
        revoked_at=timestamp(key.revoked_at),
        allowed_networks=key.allowed_networks,
        last_used_at=timestamp(use.last_used_at if use else None),
        use_count=use.use_count if use else 0,
        previous_secret_expires_at=timestamp(key.previous_secret_expires_at),
        kind=api_keys_pb2.API_KEY_KIND_SIGNATURE if key.signs else api_keys_pb2.API_KEY_KIND_BEARER,
        signature_algorithm=key.signature_algorithm,
        public_key=key.public_key,
    )
    for limit in view.limits:
        if not limit.model:
            setattr(message, limit.kind, limit.amount)
    for budget in view.budgets:
        if not budget.model:
            message.budget.CopyFrom(_budget_message(budget))
    return message


def _some_scopes(message: Any) -> Any:
    if not message.scopes:
        raise invalid_field("scopes", "must name at least one")
    return check_scopes(message.scopes)


def _rate(message: Any, kind: LimitKind) -> int | None:
    return check_rate(kind, getattr(message, kind)) if message.HasField(kind) else None


def _allowance(message: Any) -> Allowance | None:
    if not message.HasField("budget"):
        return None
    budget = message.budget
    return check_allowance(
        "budget",
        amount_micros=budget.amount_micros,
        currency=budget.currency,
        period=from_proto(BudgetPeriod, auth_pb2.BudgetPeriod, budget.period),
        time_zone=budget.time_zone,
    )


def _budget_message(budget: Budget) -> api_keys_pb2.ApiKeyBudget:
    return api_keys_pb2.ApiKeyBudget(
        amount_micros=budget.amount_micros,
        currency=budget.currency,
        period=to_proto(auth_pb2.BudgetPeriod, budget.period),
        time_zone=budget.time_zone,
    )
