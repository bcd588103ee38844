"""What ends with a membership: API keys, sessions, limits and budgets; each with its event."""

from dataclasses import replace
from typing import Any

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Membership
from headrace_auth.domain.principal import Subject
from headrace_auth.domain.records import key_of
from headrace_auth.domain.revocation_ids import membership_revocation, session_revocation
from headrace_auth.domain.sessions import Session
from headrace_auth.use_cases.acts import AT_ONCE, Act
from headrace_auth.use_cases.renewals import renew_member

Place = tuple[Any, ...] | None
"""The key of a record; None for the beginning, and for the end."""


async def end_some_keys(act: Act, membership: Membership) -> bool:
    """Revoke a bounded number of the member's API keys; whether those were the last.

    Gateways are told of the last ones by the end of the membership.
    """
    found = await act.of(ApiKey).by_key(
        None,
        AT_ONCE,
        created_by=membership.user_id,
        organization_id=membership.organization_id,
        revoked_at=None,
    )
    for key in found:
        await act.change(key, replace(key, revoked_at=act.now), "revoke")
    if len(found) < AT_ONCE:
        return True
    # One announcement for all of these keys, which carry the membership's version.
    await renew_member(act, membership.user_id, membership.organization_id)
    return False


async def end_membership(act: Act, membership: Membership) -> None:
    """Remove a member with its limits and budgets in the organisation."""
    user_id, organization_id = membership.user_id, membership.organization_id
    await act.remove(membership)
    await act.end(organization_id, membership_revocation(user_id, membership.version))
    await remove_limits_and_budgets(act, organization_id, Subject.USER, user_id)


async def end_some_sessions(
    act: Act, membership: Membership, after: Place = None
) -> tuple[int, Place]:
    """End a bounded number of the member's sessions; how many, and after which to go on.

    One that has moved to another organisation goes on there, but its tokens for this one end.
    """
    organization_id, ended = membership.organization_id, 0
    found = await act.of(Session).by_key(after, AT_ONCE, user_id=membership.user_id, ended_at=None)
    for session in found:
        # The session before its revocation, as whoever ends its own session writes them.
        if session.organization_id == organization_id:
            await act.change(session, replace(session, ended_at=act.now), "end")
            ended += act.now < session.expires_at
        await act.end(organization_id, session_revocation(session.session_id))
    return ended, key_of(found[-1]) if len(found) == AT_ONCE else None


async def remove_limits_and_budgets(
    act: Act, organization_id: str, subject: Subject, subject_id: str
) -> None:
    """Remove the subject's limits and budgets, each with its event."""
    about: dict[str, Any] = {
        "organization_id": organization_id,
        "subject_type": subject,
        "subject_id": subject_id,
    }
    for limit in await act.of(LimitRecord).find(**about):
        await act.remove(limit)
    for budget in await act.of(BudgetRecord).find(**about):
        await act.remove(budget)
