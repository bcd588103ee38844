"""What all new keys have in common: whom they act as, what they may do, what bounds them."""

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, User, UserKind
from headrace_auth.domain.fields import ApiKeyRequest, is_uuid
from headrace_auth.domain.principal import Principal, Role
from headrace_auth.domain.refusals import invalid_field, not_found, permission_denied
from headrace_auth.domain.rights import (
    DEFAULT_KEY_SCOPES,
    Reach,
    check_grant,
    check_key_scopes,
)
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.api_keys.api_key_views import ApiKeyView


async def draft_key(
    act: Act, principal: Principal, reach: Reach, request: ApiKeyRequest, api_key_id: str
) -> ApiKey:
    """The key without a secret, not kept yet.

    Raises PERMISSION_DENIED for more rights than maker or account have, RESOURCE_NOT_FOUND or
    INVALID_FIELD for an account that keys cannot be made for.
    """
    user_id, role = await _account(act, principal, reach, request.user_id)
    scopes = request.scopes or DEFAULT_KEY_SCOPES
    check_key_scopes(principal, role, scopes)
    return ApiKey(
        api_key_id=api_key_id,
        organization_id=principal.member.organization_id,
        created_by=user_id,
        name=request.name,
        scopes=scopes,
        created_at=act.now,
        allowed_models=request.allowed_models,
        allowed_networks=request.allowed_networks,
        expires_at=request.expires_at,
    )


async def add_key(act: Act, key: ApiKey, request: ApiKeyRequest) -> ApiKeyView:
    """Keep the key with the limits and the budget that were asked for."""
    limits = request.limits(key.api_key_id)
    budgets = (request.budget.of_key(key.api_key_id),) if request.budget else ()
    await act.add(key)
    for limit in limits:
        await act.add(LimitRecord.of(key.organization_id, limit))
    for budget in budgets:
        await act.add(BudgetRecord.of(key.organization_id, budget))
    return ApiKeyView(key, limits, budgets)


async def _account(act: Act, principal: Principal, reach: Reach, user_id: str) -> tuple[str, Role]:
    """Whom a key is to act as, and in which role."""
    member = principal.member
    if user_id in ("", member.user_id):
        return member.user_id, member.role
    if reach is not Reach.ORGANIZATION:
        raise permission_denied("user_id: yours may only make keys for itself.")
    known = is_uuid(user_id)
    membership = await act.of(Membership).get(user_id, member.organization_id) if known else None
    user = await act.of(User).get(user_id) if membership else None
    if membership is None or user is None:
        raise not_found(User.KIND.name)
    if user.kind is not UserKind.SERVICE:
        raise invalid_field("user_id", "must be a service account; people make their own keys")
    check_grant(principal, membership.role)
    return user_id, membership.role
