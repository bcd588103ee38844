"""What an access token says (RFC 9068)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from headrace_auth.domain.principal import CredentialKind, Member, Principal, Scope
from headrace_auth.domain.revocation_ids import client_revocation, session_revocation
from headrace_auth.domain.rights import effective_scopes

OWN_CLIENT_ID = "headrace"
"""`client_id` of tokens that people get by logging in to Headrace itself."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who makes tokens and for whom: the `iss` and `aud` of every token."""

    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """A token's content; `role` tells the holder, and is never believed on the way back."""

    token_id: str
    user_id: str
    organization_id: str
    role: str
    scopes: frozenset[Scope]
    token_version: int
    issued_at: datetime
    expires_at: datetime
    session_id: str = ""
    client_id: str = ""
    """Of the OAuth2 client; empty for Headrace's own logins."""

    @property
    def revocation_ids(self) -> tuple[str, ...]:
        """What may have ended the token while its user goes on as before."""
        ids = [self.token_id]
        if self.session_id:
            ids.append(session_revocation(self.session_id))
        if self.client_id:
            ids.append(client_revocation(self.client_id))
        return tuple(ids)


def to_payload(claims: AccessClaims, audience: Audience) -> dict[str, Any]:
    """The JWT claims set."""
    return {
        "iss": audience.issuer,
        "aud": audience.audience,
        "sub": claims.user_id,
        "jti": claims.token_id,
        "client_id": claims.client_id or OWN_CLIENT_ID,
        "iat": int(claims.issued_at.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
        "sid": claims.session_id,
        "org": claims.organization_id,
        "role": claims.role,
        "scope": " ".join(sorted(claims.scopes)),
        "token_version": claims.token_version,
    }


def from_payload(payload: Mapping[str, Any]) -> AccessClaims:
    """The claims of a payload whose signature, audience and times have been verified.

    Raises ValueError, KeyError or TypeError if it is not one that `to_payload` made.
    """
    client_id = _text(payload["client_id"])
    return AccessClaims(
        token_id=_text(payload["jti"]),
        user_id=_text(payload["sub"]),
        organization_id=_text(payload["org"]),
        role=_text(payload["role"]),
        scopes=frozenset(Scope(name) for name in _text(payload["scope"]).split()),
        token_version=_integer(payload["token_version"]),
        issued_at=datetime.fromtimestamp(_integer(payload["iat"]), UTC),
        expires_at=datetime.fromtimestamp(_integer(payload["exp"]), UTC),
        session_id=_text(payload["sid"]),
        client_id=client_id if client_id != OWN_CLIENT_ID else "",
    )


def principal_of(claims: AccessClaims, member: Member) -> Principal:
    """Whom an authentic token stands for, its user being what it is now."""
    return Principal(
        credential_id=claims.token_id,
        credential_kind=CredentialKind.ACCESS_TOKEN,
        member=member,
        scopes=effective_scopes(claims.scopes, member.role),
        limits=member.limits,
        budgets=member.budgets,
        expires_at=claims.expires_at,
        session_id=claims.session_id,
        client_id=claims.client_id,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value
