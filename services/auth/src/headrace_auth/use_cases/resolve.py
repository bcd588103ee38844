"""From a credential to the principal behind it."""

from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain import api_keys
from headrace_auth.domain.principal import CredentialKind, Principal
from headrace_auth.domain.refusals import credential_invalid
from headrace_auth.domain.rights import effective_scopes
from headrace_auth.ports import Store
from headrace_common.clock import Clock


class CredentialResolver:
    """Believes nothing that it has not checked against the database as it is now."""

    def __init__(self, store: Store, tokens: AccessTokens, clock: Clock) -> None:
        self._store = store
        self._tokens = tokens
        self._clock = clock

    async def resolve(self, credential: str) -> Principal:
        """Raises CREDENTIAL_INVALID, or DEPENDENCY_UNAVAILABLE when the database cannot tell."""
        if credential.startswith(api_keys.PREFIX):
            return await self._resolve_api_key(credential)
        return await self._resolve_access_token(credential)

    async def _resolve_api_key(self, credential: str) -> Principal:
        text = api_keys.parse(credential)
        stored = await self._store.api_keys.find(text.api_key_id) if text else None
        if text is None or stored is None or not stored.has_secret(text.secret_sha256):
            raise credential_invalid()
        key, member = stored.key, stored.member
        if not key.is_live(self._clock.now()):
            raise credential_invalid()
        return Principal(
            credential_id=key.api_key_id,
            credential_kind=CredentialKind.API_KEY,
            member=member,
            scopes=effective_scopes(key.scopes, member.role),
            limits=key.limits + member.limits,
            budgets=member.budgets,
            allowed_models=key.allowed_models,
            expires_at=key.expires_at,
        )

    async def _resolve_access_token(self, credential: str) -> Principal:
        claims = self._tokens.verify(credential, self._clock.now())
        member = await self._store.users.member(claims.user_id, claims.organization_id)
        if member is None or member.token_version != claims.token_version:
            raise credential_invalid()
        return Principal(
            credential_id=claims.token_id,
            credential_kind=CredentialKind.ACCESS_TOKEN,
            member=member,
            scopes=effective_scopes(claims.scopes, member.role),
            limits=member.limits,
            budgets=member.budgets,
            expires_at=claims.expires_at,
        )
