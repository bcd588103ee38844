"""Between proto messages and domain objects."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from headrace.auth.v1 import auth_pb2, sessions_pb2
from headrace_auth.domain.api_keys import ApiKeyUse
from headrace_auth.domain.principal import Budget, Limit, Principal
from headrace_auth.domain.refusals import credential_missing, invalid_field
from headrace_auth.domain.sessions import Session
from headrace_auth.domain.signed_requests import SignedRequest
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_auth.use_cases.sessions.own_sessions import Me
from headrace_common.errors import HeadraceError, credential_invalid
from headrace_common.proto_enums import to_proto

MAXIMUM_CREDENTIAL = 4096
"""Characters; gRPC itself refuses metadata of 8 KiB before any servicer sees it."""


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


def signed_request(message: auth_pb2.ResolveSignedRequestRequest) -> SignedRequest:
    """Raises CREDENTIAL_INVALID for a moment that is none."""
    try:
        created = optional_time(message, "created")
    except HeadraceError as error:
        raise credential_invalid() from error
    if created is None:
        raise credential_invalid()
    return SignedRequest(
        key_id=message.key_id,
        algorithm=message.algorithm,
        signature_base=message.signature_base,
        signature=message.signature,
        created=created,
        nonce=message.nonce,
    )


def key_uses(message: auth_pb2.ReportKeyUsesRequest) -> list[ApiKeyUse]:
    """Raises INVALID_FIELD."""
    return [_key_use(use) for use in message.uses]


def principal_message(principal: Principal) -> auth_pb2.Principal:
    """Without prices, and without the token version, which is auth's own affair."""
    return auth_pb2.Principal(
        credential_id=principal.credential_id,
        credential_kind=to_proto(auth_pb2.CredentialKind, principal.credential_kind),
        user_id=principal.member.user_id,
        organization_id=principal.member.organization_id,
        role=to_proto(auth_pb2.Role, principal.member.role),
        scopes=sorted(principal.scopes),
        allowed_models=principal.allowed_models,
        limits=[limit_message(limit) for limit in principal.limits],
        budgets=[budget_message(budget) for budget in principal.budgets],
        expires_at=timestamp(principal.expires_at),
        allowed_networks=principal.allowed_networks,
        revocation_ids=principal.revocation_ids,
        session_id=principal.session_id,
        client_id=principal.client_id,
        tier=to_proto(auth_pb2.Tier, principal.member.tier),
    )


def _key_use(message: auth_pb2.KeyUse) -> ApiKeyUse:
    last_used_at = optional_time(message, "last_used_at")
    if last_used_at is None:
        raise invalid_field("uses.last_used_at", "is required")
    return ApiKeyUse(message.api_key_id, last_used_at, message.count)


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
        role=to_proto(auth_pb2.Role, principal.member.role),
        scopes=sorted(principal.scopes),
        session_id=principal.session_id,
        has_second_factor=me.has_second_factor,
        organizations=[
            sessions_pb2.Place(
                organization_id=organization.organization_id,
                name=organization.name,
                role=to_proto(auth_pb2.Role, membership.role),
            )
            for organization, membership in me.joined
        ],
    )


def limit_message(limit: Limit) -> auth_pb2.Limit:
    """Whose it is and what it says."""
    return auth_pb2.Limit(
        kind=to_proto(auth_pb2.LimitKind, limit.kind),
        subject=to_proto(auth_pb2.LimitSubject, limit.subject),
        subject_id=limit.subject_id,
        model=limit.model,
        amount=limit.amount,
    )


def budget_message(budget: Budget) -> auth_pb2.Budget:
    """Whose it is and what it says."""
    return auth_pb2.Budget(
        subject=to_proto(auth_pb2.LimitSubject, budget.subject),
        subject_id=budget.subject_id,
        amount_micros=budget.amount_micros,
        currency=budget.currency,
        period=to_proto(auth_pb2.BudgetPeriod, budget.period),
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


def optional_time(message: Any, field: str) -> datetime | None:
    """None if it is unset; raises INVALID_FIELD for what is no time."""
    if not message.HasField(field):
        return None
    try:
        time: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid_field(field, "not a time") from error
    return time
