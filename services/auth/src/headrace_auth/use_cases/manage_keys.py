"""Making, listing and revoking API keys."""

import secrets
from dataclasses import dataclass

from headrace_auth.domain import api_keys
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal
from headrace_auth.domain.refusals import api_key_not_found, permission_denied
from headrace_auth.domain.rights import DEFAULT_KEY_SCOPES, Action, Reach, authorize
from headrace_auth.ports import RevocationAnnouncer, Store
from headrace_common.clock import Clock
from headrace_common.errors import HeadraceError
from headrace_common.logs import get_logger


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A new key and, this once, its secret."""

    key: ApiKey
    text: api_keys.ApiKeyText


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """Keys, newest first, and where the next page starts; None on the last page."""

    keys: list[ApiKey]
    next_position: Position | None


class KeyManager:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, store: Store, announcer: RevocationAnnouncer, clock: Clock) -> None:
        self._keys = store.api_keys
        self._announcer = announcer
        self._clock = clock

    async def create(self, principal: Principal, request: ApiKeyRequest) -> CreatedApiKey:
        """Raises PERMISSION_DENIED, also for a key with more scopes than the principal has."""
        authorize(principal, Action.CREATE_API_KEY)
        scopes = request.scopes or DEFAULT_KEY_SCOPES
        excess = ", ".join(sorted(scopes - principal.scopes))
        if excess:
            raise permission_denied(f"a key cannot have more rights than its maker: {excess}")
        text = api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_BYTES))
        key = ApiKey(
            api_key_id=text.api_key_id,
            organization_id=principal.member.organization_id,
            created_by=principal.member.user_id,
            name=request.name,
            scopes=scopes,
            created_at=self._clock.now(),
            allowed_models=request.allowed_models,
            expires_at=request.expires_at,
            limits=request.limits(text.api_key_id),
        )
        await self._keys.add(key, text.secret_sha256)
        return CreatedApiKey(key, text)

    async def page(self, principal: Principal, after: Position | None, size: int) -> ApiKeyPage:
        """The organisation's keys, or only the principal's own; raises PERMISSION_DENIED."""
        reach = authorize(principal, Action.LIST_API_KEYS)
        keys = await self._keys.page(
            principal.member.organization_id,
            created_by=_maker(principal, reach),
            after=after,
            size=size + 1,
        )
        if len(keys) <= size:
            return ApiKeyPage(keys, None)
        last = keys[size - 1]
        return ApiKeyPage(keys[:size], Position(last.created_at, last.api_key_id))

    async def revoke(self, principal: Principal, api_key_id: str) -> ApiKey:
        """Raises PERMISSION_DENIED or RESOURCE_NOT_FOUND; repeating it announces it again."""
        reach = authorize(principal, Action.REVOKE_API_KEY)
        if not api_keys.is_api_key_id(api_key_id):
            raise api_key_not_found()
        key = await self._keys.revoke(
            api_key_id,
            principal.member.organization_id,
            created_by=_maker(principal, reach),
            now=self._clock.now(),
        )
        if key is None:
            raise api_key_not_found()
        await self._announce(key)
        return key

    async def _announce(self, key: ApiKey) -> None:
        try:
            await self._announcer.announce(key.organization_id, key.api_key_id)
        except HeadraceError as error:
            # The key is revoked already; gateways that missed this hold it a few seconds at most.
            get_logger().warning(
                "revocation_not_announced", credential_id=key.api_key_id, reason=error.reason.value
            )


def _maker(principal: Principal, reach: Reach) -> str | None:
    return None if reach is Reach.ORGANIZATION else principal.member.user_id
