"""Rules for what people type; each violation is an INVALID_FIELD that names the field."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from headrace_auth.domain.budgets import Allowance
from headrace_auth.domain.networks import check_networks
from headrace_auth.domain.principal import Limit, LimitKind, Scope, Subject
from headrace_auth.domain.refusals import invalid_field

MAXIMUM_EMAIL, MAXIMUM_PASSWORD, MAXIMUM_NAME, MAXIMUM_MODEL = 254, 1024, 100, 200
MAXIMUM_MODELS = 100
MAXIMUM_RATE = 1_000_000_000_000

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class ApiKeyRequest:
    """What somebody asks a new API key to be, not yet checked against any right."""

    name: str
    scopes: frozenset[Scope]
    allowed_models: tuple[str, ...]
    expires_at: datetime | None
    rates: tuple[tuple[LimitKind, int], ...]
    allowed_networks: tuple[str, ...] = ()
    budget: Allowance | None = None
    user_id: str = ""
    """The service account that it is to act as; empty for its maker."""

    def limits(self, api_key_id: str) -> tuple[Limit, ...]:
        return tuple(
            Limit(kind, Subject.API_KEY, api_key_id, amount) for kind, amount in self.rates
        )


def check_api_key_request(
    *,
    name: str,
    scopes: Iterable[str],
    allowed_models: Iterable[str],
    expires_at: datetime | None,
    rates: Iterable[tuple[LimitKind, int]],
    now: datetime,
    allowed_networks: Iterable[str] = (),
    budget: Allowance | None = None,
) -> ApiKeyRequest:
    """The request, if every field keeps its rule."""
    return ApiKeyRequest(
        name=check_name(name),
        scopes=check_scopes(scopes),
        allowed_models=check_models(allowed_models),
        expires_at=check_expiry(expires_at, now),
        rates=tuple((kind, check_rate(kind, amount)) for kind, amount in rates),
        allowed_networks=check_networks("allowed_networks", allowed_networks),
        budget=budget,
    )


def check_name(name: str, param: str = "name") -> str:
    """A name for people to read: printable, 1 to 100 characters."""
    check_text(param, name, MAXIMUM_NAME)
    return name


def check_models(models: Iterable[str]) -> tuple[str, ...]:
    """Public model ids, without repetitions."""
    distinct = tuple(dict.fromkeys(models))
    if len(distinct) > MAXIMUM_MODELS:
        raise invalid_field("allowed_models", f"at most {MAXIMUM_MODELS} models")
    for model in distinct:
        check_text("allowed_models", model, MAXIMUM_MODEL)
    return distinct


def check_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    """When something ends, None for never."""
    if expires_at is not None and expires_at <= now:
        raise invalid_field("expires_at", "must be in the future")
    return expires_at


def check_rate(kind: LimitKind, amount: int) -> int:
    """What a limit of this kind allows."""
    if not 1 <= amount <= MAXIMUM_RATE:
        raise invalid_field(kind.value, f"must be from 1 to {MAXIMUM_RATE}")
    return amount


def check_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names."""
    try:
        return frozenset(Scope(name) for name in names)
    except ValueError as error:
        known = ", ".join(Scope)
        raise invalid_field("scopes", f"each must be one of {known}") from error


def is_uuid(text: str) -> bool:
    """Whether `text` has the form of the ids of users, organisations and teams."""
    return _UUID.fullmatch(text) is not None


def normalize_email(email: str) -> str:
    """The form in which addresses are compared and kept."""
    normalized = email.strip().lower()
    check_text("email", normalized, MAXIMUM_EMAIL)
    if "@" not in normalized[1:-1]:
        raise invalid_field("email", "not an e-mail address")
    return normalized


def check_password_length(password: str, param: str = "password") -> str:
    """Bounds the work of hashing it; says nothing about how good it is."""
    if not 1 <= len(password) <= MAXIMUM_PASSWORD:
        raise invalid_field(param, f"must have from 1 to {MAXIMUM_PASSWORD} characters")
    return password


def check_text(param: str, value: str, maximum: int) -> None:
    """Printable, without spaces at the ends, from 1 to `maximum` characters."""
    if not 1 <= len(value) <= maximum:
        raise invalid_field(param, f"must have from 1 to {maximum} characters")
    if not value.isprintable() or value != value.strip():
        raise invalid_field(param, "must be printable, without spaces at the ends")
