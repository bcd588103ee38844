"""Making, listing and revoking API keys."""

import secrets
from dataclasses import dataclass, replace

from headrace_auth.domain import api_keys
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import LimitRecord
from headrace_auth.domain.fields import ApiKeyRequest
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Limit, Principal, Subject
from headrace_auth.domain.refusals import not_found, permission_denied
from headrace_auth.domain.rights import DEFAULT_KEY_SCOPES, Action, Reach, authorize
from headrace_auth.use_cases.acts import Act, Acts


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """A key with its own limits."""

    key: ApiKey
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A new key and, this once, its secret."""

    view: ApiKeyView
    text: api_keys.ApiKeyText


@dataclass(frozen=True, slots=True)
class ApiKeyPage:
    """Keys, newest first, and where the next page starts; None on the last page."""

    keys: list[ApiKeyView]
    next_position: Position | None


class KeyManager:
    """Acts for a principal and never beyond its organisation."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def create(self, caller: Caller, request: ApiKeyRequest) -> CreatedApiKey:
        """Raises PERMISSION_DENIED, also for a key with more scopes than the principal has."""
        principal = caller.identified()
        authorize(principal, Action.CREATE_API_KEY)
        scopes = request.scopes or DEFAULT_KEY_SCOPES
        excess = ", ".join(sorted(scopes - principal.scopes))
        if excess:
            raise permission_denied(f"a key cannot have more rights than its maker: {excess}")
        text = api_keys.mint(secrets.token_bytes(api_keys.ENTROPY_BYTES))
        limits = request.limits(text.api_key_id)
        async with self._acts.begin(caller) as act:
            key = ApiKey(
                api_key_id=text.api_key_id,
                organization_id=principal.member.organization_id,
                created_by=principal.member.user_id,
                name=request.name,
                scopes=scopes,
                created_at=act.now,
                secret_sha256=text.secret_sha256,
                allowed_models=request.allowed_models,
                expires_at=request.expires_at,
            )
            await act.add(key)
            for limit in limits:
                await act.add(LimitRecord.of(key.organization_id, limit))
        return CreatedApiKey(ApiKeyView(key, limits), text)

    async def page(self, caller: Caller, after: Position | None, size: int) -> ApiKeyPage:
        """The organisation's keys, or only the principal's own; raises PERMISSION_DENIED."""
        principal = caller.identified()
        reach = authorize(principal, Action.LIST_API_KEYS)
        mine = {} if reach is Reach.ORGANIZATION else {"created_by": principal.member.user_id}
        organization_id = principal.member.organization_id
        async with self._acts.begin(caller) as act:
            keys = await act.of(ApiKey).page(
                after, size + 1, organization_id=organization_id, **mine
            )
            views = [await _view(act, key) for key in keys[:size]]
        if len(keys) <= size:
            return ApiKeyPage(views, None)
        last = keys[size - 1]
        return ApiKeyPage(views, Position(last.created_at, last.api_key_id))

    async def revoke(self, caller: Caller, api_key_id: str) -> ApiKeyView:
        """Raises PERMISSION_DENIED or RESOURCE_NOT_FOUND; repeating it announces it again."""
        principal = caller.identified()
        reach = authorize(principal, Action.REVOKE_API_KEY)
        async with self._acts.begin(caller) as act:
            key = await _key_within(act, principal, reach, api_key_id)
            if key.revoked_at is None:
                revoked = replace(key, revoked_at=act.now)
                await act.change(key, revoked, "revoke")
                key = revoked
            await act.end(key.organization_id, key.api_key_id)
            return await _view(act, key)


async def _key_within(act: Act, principal: Principal, reach: Reach, api_key_id: str) -> ApiKey:
    """The key, locked, if the principal's reach covers it; raises RESOURCE_NOT_FOUND."""
    key = await act.of(ApiKey).get(api_key_id, lock=True)
    member = principal.member
    if key is None or key.organization_id != member.organization_id:
        raise not_found(ApiKey.KIND.name)
    if reach is Reach.OWN and key.created_by != member.user_id:
        raise not_found(ApiKey.KIND.name)
    return key


async def _view(act: Act, key: ApiKey) -> ApiKeyView:
    records = await act.of(LimitRecord).find(
        organization_id=key.organization_id,
        subject_type=Subject.API_KEY,
        subject_id=key.api_key_id,
    )
    return ApiKeyView(key, tuple(record.limit() for record in records))
