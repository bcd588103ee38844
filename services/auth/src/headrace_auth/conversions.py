"""Between proto messages and domain objects; enum members have the same names in both."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from headrace.auth.v1 import api_keys_pb2, auth_pb2, sessions_pb2
from headrace_auth.domain.fields import ApiKeyRequest, check_api_key_request
from headrace_auth.domain.principal import Budget, Limit, LimitKind, Principal
from headrace_auth.domain.refusals import credential_invalid, credential_missing, invalid_field
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.manage_keys import ApiKeyView
from headrace_auth.use_cases.open_sessions import LoggedIn
from headrace_auth.use_cases.own_sessions import Me

MAXIMUM_CREDENTIAL = 4096
"""Characters; gRPC itself refuses metadata of 8 KiB before any servicer sees it."""

RATES = (LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE)
"""Kinds that are fields of a key's messages, under the same name."""


def bearer_credential(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The credential in `authorization: Bearer ...` (RFC 6750, section 2.1).

    Raises CREDENTIAL_MISSING without the key, CREDENTIAL_INVALID if it is given twice or malformed.
    """
    values = [value for key, value in metadata if key == "authorization"]
    if not values:
        raise credential_missing()
    scheme, _, credential = str(values[0]).partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer":
        raise credential_invalid()
    return bounded_credential(credential)


def bounded_credential(credential: str) -> str:
    """Raises CREDENTIAL_MISSING or, above any real credential's size, CREDENTIAL_INVALID."""
    if not credential:
        raise credential_missing()
    if len(credential) > MAXIMUM_CREDENTIAL:
        raise credential_invalid()
    return credential


def api_key_request(message: api_keys_pb2.CreateApiKeyRequest, now: datetime) -> ApiKeyRequest:
    """Raises INVALID_FIELD."""
    return check_api_key_request(
        name=message.name,
        scopes=message.scopes,
        allowed_models=message.allowed_models,
        expires_at=_optional_time(message, "expires_at"),
        rates=[(kind, getattr(message, kind)) for kind in RATES if message.HasField(kind)],
        now=now,
    )


def principal_message(principal: Principal) -> auth_pb2.Principal:
    """Without the token version, which is auth's own affair."""
    return auth_pb2.Principal(
        credential_id=principal.credential_id,
        credential_kind=f"CREDENTIAL_KIND_{principal.credential_kind.name}",
        user_id=principal.member.user_id,
        organization_id=principal.member.organization_id,
        role=f"ROLE_{principal.member.role.name}",
        scopes=sorted(principal.scopes),
        allowed_models=principal.allowed_models,
        limits=[_limit_message(limit) for limit in principal.limits],
        budgets=[_budget_message(budget) for budget in principal.budgets],
        expires_at=timestamp(principal.expires_at),
        allowed_networks=principal.allowed_networks,
        revocation_ids=principal.revocation_ids,
        session_id=principal.session_id,
        client_id=principal.client_id,
    )


def api_key_message(view: ApiKeyView) -> api_keys_pb2.ApiKey:
    """With the rates that a key's messages have fields for."""
    key = view.key
    message = api_keys_pb2.ApiKey(
        api_key_id=key.api_key_id,
        name=key.name,
        scopes=sorted(key.scopes),
        allowed_models=key.allowed_models,
        created_by=key.created_by,
        created_at=timestamp(key.created_at),
        expires_at=timestamp(key.expires_at),
        revoked_at=timestamp(key.revoked_at),
    )
    for limit in view.limits:
        if limit.kind in RATES and not limit.model:
            setattr(message, limit.kind, limit.amount)
    return message


def tokens_message(result: LoggedIn) -> sessions_pb2.Tokens:
    """What a client goes on with."""
    return sessions_pb2.Tokens(
        access_token=result.access_token,
        token_type="Bearer",  # noqa: S106 - not a password
        expires_in=result.expires_in_seconds,
        refresh_token=result.refresh_token,
        scope=" ".join(sorted(result.principal.scopes)),
        session_id=result.session.session_id,
        organization_id=result.session.organization_id,
    )


def session_message(session: Session, *, current: bool) -> sessions_pb2.Session:
    """A session as its owner sees it."""
    return sessions_pb2.Session(
        session_id=session.session_id,
        organization_id=session.organization_id,
        client_id=session.client_id,
        created_at=timestamp(session.created_at),
        last_used_at=timestamp(session.last_used_at),
        expires_at=timestamp(session.expires_at),
        source_address=session.source_address,
        user_agent=session.user_agent,
        current=current,
    )


def me_message(me: Me) -> sessions_pb2.GetMeResponse:
    """Who the caller is."""
    principal = me.principal
    return sessions_pb2.GetMeResponse(
        user_id=me.user.user_id,
        email=me.user.email or "",
        name=me.user.name,
        organization_id=principal.member.organization_id,
        role=f"ROLE_{principal.member.role.name}",
        scopes=sorted(principal.scopes),
        session_id=principal.session_id,
        has_second_factor=me.has_second_factor,
        organizations=[
            sessions_pb2.Place(
                organization_id=organization.organization_id,
                name=organization.name,
                role=f"ROLE_{membership.role.name}",
            )
            for organization, membership in me.joined
        ],
    )


def _limit_message(limit: Limit) -> auth_pb2.Limit:
    return auth_pb2.Limit(
        kind=f"LIMIT_KIND_{limit.kind.name}",
        subject=f"LIMIT_SUBJECT_{limit.subject.name}",
        subject_id=limit.subject_id,
        model=limit.model,
        amount=limit.amount,
    )


def _budget_message(budget: Budget) -> auth_pb2.Budget:
    return auth_pb2.Budget(
        subject=f"LIMIT_SUBJECT_{budget.subject.name}",
        subject_id=budget.subject_id,
        amount_micros=budget.amount_micros,
        currency=budget.currency,
        period=f"BUDGET_PERIOD_{budget.period.name}",
        time_zone=budget.time_zone,
        model=budget.model,
    )


def timestamp(time: datetime | None) -> Timestamp | None:
    """Unset for None."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _optional_time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    try:
        time: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid_field(field, "not a time") from error
    return time
