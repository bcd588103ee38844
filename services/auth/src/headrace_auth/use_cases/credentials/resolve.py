"""From a credential to the principal behind it."""

from datetime import datetime

from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain import api_keys
from headrace_auth.domain.access_tokens import principal_of
from headrace_auth.domain.api_keys import StoredApiKey
from headrace_auth.domain.principal import CredentialKind, Principal
from headrace_auth.domain.rights import effective_scopes
from headrace_auth.ports import Store
from headrace_common.clock import Clock
from headrace_common.errors import credential_invalid


class CredentialResolver:
    """Believes nothing that it has not checked against the database as it is now."""

    def __init__(self, store: Store, tokens: AccessTokens, clock: Clock) -> None:
        self._principals = store.principals
        self._tokens = tokens
        self._clock = clock

    async def resolve(self, credential: str) -> Principal:
        """Raises CREDENTIAL_INVALID, or DEPENDENCY_UNAVAILABLE when the database cannot tell."""
        if credential.startswith(api_keys.PREFIX):
            return await self._resolve_api_key(credential)
        return await self._resolve_access_token(credential)

    async def _resolve_api_key(self, credential: str) -> Principal:
        text, now = api_keys.parse(credential), self._clock.now()
        stored = await self._principals.api_key(text.api_key_id) if text else None
        if text is None or stored is None:
            raise credential_invalid()
        key = stored.key
        if not key.has_secret(text.secret_sha256, now) or not key.is_live(now):
            raise credential_invalid()
        expires_at = key.secret_expires_at(text.secret_sha256)
        return principal_of_key(stored, CredentialKind.API_KEY, expires_at)

    async def _resolve_access_token(self, credential: str) -> Principal:
        claims = self._tokens.verify(credential, self._clock.now())
        member = await self._principals.member(
            claims.user_id, claims.organization_id, unless_ended=claims.revocation_ids
        )
        if member is None or member.token_version != claims.token_version:
            raise credential_invalid()
        return principal_of(claims, member)


def principal_of_key(
    stored: StoredApiKey, kind: CredentialKind, expires_at: datetime | None
) -> Principal:
    """Whom a key that has proved itself in this way acts as, until when."""
    key, member = stored.key, stored.member
    return Principal(
        credential_id=key.api_key_id,
        credential_kind=kind,
        member=member,
        scopes=effective_scopes(key.scopes, member.role),
        limits=stored.limits + member.limits,
        budgets=stored.budgets + member.budgets,
        allowed_models=key.allowed_models,
        allowed_networks=key.allowed_networks,
        expires_at=expires_at,
        key_version=key.version,
    )
