"""Whose use a limit or a budget caps: that it exists, who may cap it, whom a change concerns."""

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.principal import Principal, Subject
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.rights import check_grant
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.directory.teams import find_team
from headrace_auth.use_cases.renewals import renew_api_key, renew_member, renew_organization

Cap = LimitRecord | BudgetRecord


async def check_subject(act: Act, cap: Cap) -> None:
    """Raise RESOURCE_NOT_FOUND unless it is in the cap's organisation; and as `check_grant_on`."""
    match cap.subject_type:
        case Subject.ORGANIZATION:
            if await act.of(Organization).get(cap.organization_id) is None:
                raise not_found(Organization.KIND.name)
        case Subject.TEAM:
            await find_team(act, cap.organization_id, cap.subject_id)
        case Subject.USER:
            if await _member(act, cap) is None:
                raise not_found(User.KIND.name)
        case Subject.API_KEY:
            key = await _key(act, cap)
            if key is None or key.revoked_at is not None:
                raise not_found(ApiKey.KIND.name)
    await check_grant_on(act, cap)


async def check_grant_on(act: Act, cap: Cap) -> None:
    """Raise PERMISSION_DENIED if it is a user's, or a user's key, above the caller's own role."""
    member = await _member(act, cap)
    if member is not None:
        check_grant(act.caller.identified(), member.role)


async def renew_subject(act: Act, cap: Cap) -> None:
    """Have gateways resolve again whoever the cap concerns.

    For a team that is the whole organisation: one announcement, however many are in the team.
    """
    match cap.subject_type:
        case Subject.ORGANIZATION | Subject.TEAM:
            await renew_organization(act, cap.organization_id)
        case Subject.USER:
            await renew_member(act, cap.subject_id, cap.organization_id)
        case Subject.API_KEY if await _key(act, cap) is not None:
            await renew_api_key(act, cap.subject_id)


async def subjects_of(act: Act, principal: Principal, api_key_id: str) -> list[tuple[Subject, str]]:
    """Whose caps apply to the principal; with the API key, if it is one of its own."""
    member = principal.member
    subjects = [
        (Subject.ORGANIZATION, member.organization_id),
        (Subject.TEAM, member.team_id or ""),
        (Subject.USER, member.user_id),
    ]
    key = await act.of(ApiKey).get(api_key_id)
    owner = (member.user_id, member.organization_id)
    if key is not None and (key.created_by, key.organization_id) == owner:
        subjects.append((Subject.API_KEY, api_key_id))
    return [(subject, subject_id) for subject, subject_id in subjects if subject_id]


async def _member(act: Act, cap: Cap) -> Membership | None:
    """Whose credentials are concerned, if it is one person's or program's."""
    user_id = cap.subject_id if cap.subject_type is Subject.USER else ""
    if cap.subject_type is Subject.API_KEY:
        key = await _key(act, cap)
        user_id = key.created_by if key else ""
    return await act.of(Membership).get(user_id, cap.organization_id) if user_id else None


async def _key(act: Act, cap: Cap) -> ApiKey | None:
    key = await act.of(ApiKey).get(cap.subject_id)
    return key if key is not None and key.organization_id == cap.organization_id else None
