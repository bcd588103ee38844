"""API keys as callers see them: with limits, budgets and use, within their reach."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from headrace_auth.domain.api_keys import ApiKey, ApiKeyUse, is_api_key_id
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.principal import Budget, Limit, Principal, Subject
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.rights import Reach
from headrace_auth.use_cases.acts import Act


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """A key with its own limits and budgets, and its use as far as it was reported."""

    key: ApiKey
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    use: ApiKeyUse | None = None


async def key_within(
    act: Act, principal: Principal, reach: Reach, api_key_id: str, *, lock: bool = True
) -> ApiKey:
    """The key, if the principal's reach covers it; raises RESOURCE_NOT_FOUND."""
    known = is_api_key_id(api_key_id)
    key = await act.of(ApiKey).get(api_key_id, lock=lock) if known else None
    member = principal.member
    if key is None or key.organization_id != member.organization_id:
        raise not_found(ApiKey.KIND.name)
    if reach is Reach.OWN and key.created_by != member.user_id:
        raise not_found(ApiKey.KIND.name)
    return key


async def limits_of(act: Act, organization_id: str, *api_key_ids: str) -> list[LimitRecord]:
    """The keys' own limits."""
    return await act.of(LimitRecord).find(
        organization_id=organization_id,
        subject_type=Subject.API_KEY,
        subject_id=frozenset(api_key_ids),
    )


async def budgets_of(act: Act, organization_id: str, *api_key_ids: str) -> list[BudgetRecord]:
    """The keys' own budgets."""
    return await act.of(BudgetRecord).find(
        organization_id=organization_id,
        subject_type=Subject.API_KEY,
        subject_id=frozenset(api_key_ids),
    )


async def views(act: Act, keys: Sequence[ApiKey]) -> list[ApiKeyView]:
    """Keys of one organisation, in the same order."""
    if not keys:
        return []
    organization_id, ids = keys[0].organization_id, [key.api_key_id for key in keys]
    limits: dict[str, list[Limit]] = defaultdict(list)
    for limit in await limits_of(act, organization_id, *ids):
        limits[limit.subject_id].append(limit.limit())
    budgets: dict[str, list[Budget]] = defaultdict(list)
    for budget in await budgets_of(act, organization_id, *ids):
        budgets[budget.subject_id].append(budget.budget())
    found = await act.of(ApiKeyUse).find(api_key_id=frozenset(ids))
    uses = {use.api_key_id: use for use in found}
    return [
        ApiKeyView(
            key,
            tuple(limits[key.api_key_id]),
            tuple(budgets[key.api_key_id]),
            uses.get(key.api_key_id),
        )
        for key in keys
    ]


async def view(act: Act, key: ApiKey) -> ApiKeyView:
    """One key."""
    [one] = await views(act, [key])
    return one
