"""Changing what an API key may do, and giving it a new secret."""

import hmac
from dataclasses import replace
from datetime import timedelta

from headrace_auth.crypto.new_secrets import new_api_key_secret
from headrace_auth.domain import api_keys
from headrace_auth.domain.api_key_updates import ApiKeyUpdate
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, User, UserKind
from headrace_auth.domain.mails import Done
from headrace_auth.domain.principal import Limit, Principal, Role, Subject
from headrace_auth.domain.refusals import invalid_field, permission_denied
from headrace_auth.domain.revocation_ids import api_key_revocation
from headrace_auth.domain.rights import (
    Action,
    authorize,
    check_grant,
    check_key_scopes,
    is_own_login,
)
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.api_keys.api_key_views import (
    ApiKeyView,
    budgets_of,
    key_within,
    limits_of,
    view,
)
from headrace_auth.use_cases.api_keys.manage_keys import CreatedApiKey
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_common.errors import HeadraceError


class KeyChanger:
    """Whoever changes a key answers for what it is afterwards, so it is checked against them."""

    def __init__(self, acts: Acts, notices: CredentialNotices) -> None:
        self._acts = acts
        self._notices = notices

    async def update(self, caller: Caller, api_key_id: str, update: ApiKeyUpdate) -> ApiKeyView:
        """Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, or INVALID_FIELD for one that has ended.

        A key's own limits are its user's to set; what is to bind a user is set on the user.
        """
        principal = caller.identified()
        reach = authorize(principal, Action.UPDATE_API_KEY)
        async with self._acts.begin(caller) as act:
            key = await key_within(act, principal, reach, api_key_id)
            role = await _role(act, principal, key)
            if key.revoked_at is not None:
                raise _ended()
            after = update.applied(key)
            check_key_scopes(principal, role, after.scopes, key.scopes)
            changed = [
                after != key,
                await _set_limits(act, key, update),
                await _set_budgets(act, key, update),
            ]
            if any(changed):
                after = replace(after, version=key.version + 1)
                await _change(act, key, after, "update")
            if _rights(after) != _rights(key):
                await self._notices.of_key(act, after, Done.CHANGED)
            return await view(act, after)

    async def rotate(self, caller: Caller, api_key_id: str, overlap: timedelta) -> CreatedApiKey:
        """Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, or INVALID_FIELD for one without a secret.

        The present secret works for `overlap` more, an older one no longer.
        """
        principal = caller.identified()
        reach = authorize(principal, Action.ROTATE_API_KEY)
        async with self._acts.begin(caller) as act:
            key = await key_within(act, principal, reach, api_key_id)
            await _check_may_hold(act, caller, key)
            if key.signs:
                raise invalid_field("api_key_id", "a key that signs is replaced by another one")
            if not key.is_live(act.now):
                raise _ended()
            text = new_api_key_secret(key.api_key_id)
            rotated = key.rotated(text.secret_sha256, act.now, overlap)
            await _change(act, key, rotated, "rotate")
            await self._notices.of_key(act, rotated, Done.RENEWED)
            return CreatedApiKey(await view(act, rotated), text)


def _rights(key: ApiKey) -> tuple[object, ...]:
    """What it may do, where and how long."""
    return key.scopes, key.allowed_models, key.allowed_networks, key.expires_at


async def _change(act: Act, before: ApiKey, after: ApiKey, operation: str) -> None:
    await act.change(before, after, operation)
    ended = api_key_revocation(before.api_key_id, before.version)
    await act.end(before.organization_id, ended)


async def _role(act: Act, principal: Principal, key: ApiKey) -> Role:
    """In which role the key acts; the principal must be one who may deal with that role."""
    membership = await act.of(Membership).get(key.created_by, key.organization_id)
    if membership is None:
        raise _ended()
    if key.created_by != principal.member.user_id:
        check_grant(principal, membership.role)
    return membership.role


async def _check_may_hold(act: Act, caller: Caller, key: ApiKey) -> None:
    """Whether the caller may have a secret of this key: with it, one acts as the key's user."""
    principal = caller.identified()
    if not is_own_login(principal) and not _shows_present_secret(caller, key):
        raise permission_denied("A key is rotated after logging in, or with its present secret.")
    role = await _role(act, principal, key)
    if key.created_by != principal.member.user_id:
        user = await act.of(User).get(key.created_by)
        if user is None or user.kind is not UserKind.SERVICE:
            raise permission_denied("Only the person whose key it is may have its secret.")
    check_key_scopes(principal, role, key.scopes, key.scopes)


def _shows_present_secret(caller: Caller, key: ApiKey) -> bool:
    text = api_keys.parse(caller.credential)
    if text is None or text.api_key_id != key.api_key_id:
        return False
    return hmac.compare_digest(text.secret_sha256, key.secret_sha256 or b"")


async def _set_limits(act: Act, key: ApiKey, update: ApiKeyUpdate) -> bool:
    """Whether anything changed."""
    if not update.rates:
        return False
    records = await limits_of(act, key.organization_id, key.api_key_id)
    present = {record.kind: record for record in records if not record.model}
    changed = False
    for kind, amount in update.rates.items():
        before, after = present.get(kind), None
        if amount is not None:
            limit = Limit(kind, Subject.API_KEY, key.api_key_id, amount)
            after = LimitRecord.of(key.organization_id, limit)
        changed |= await _replace(act, before, after)
    return changed


async def _set_budgets(act: Act, key: ApiKey, update: ApiKeyUpdate) -> bool:
    """Whether anything changed."""
    if update.budgets is None:
        return False
    records = await budgets_of(act, key.organization_id, key.api_key_id)
    present = {record.period: record for record in records if not record.model}
    wanted = {
        allowance.period: BudgetRecord.of(key.organization_id, allowance.of_key(key.api_key_id))
        for allowance in update.budgets
    }
    changed = False
    for period in {**present, **wanted}:
        changed |= await _replace(act, present.get(period), wanted.get(period))
    return changed


async def _replace(
    act: Act, before: LimitRecord | BudgetRecord | None, after: LimitRecord | BudgetRecord | None
) -> bool:
    if before == after:
        return False
    if before and after:
        await act.change(before, after)
    elif after:
        await act.add(after)
    elif before:
        await act.remove(before)
    return True


def _ended() -> HeadraceError:
    return invalid_field("api_key_id", "this key has ended; make another one")
