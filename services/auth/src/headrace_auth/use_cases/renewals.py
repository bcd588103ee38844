"""Having every gateway resolve credentials again, because what they stand for has changed.

Only versions that were never announced may be in use: gateways keep an announced id for a day and
refuse whoever still carries it after `auth` was asked again.
"""

from dataclasses import replace

from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.directory import Membership, Organization
from headrace_auth.domain.revocation_ids import (
    api_key_revocation,
    membership_revocation,
    organization_revocation,
)
from headrace_auth.use_cases.acts import Act


async def change_member(
    act: Act, before: Membership, after: Membership, operation: str = "update"
) -> Membership:
    """Keep a changed membership, tell, and renew; what it is then."""
    renewed = await _next(act, before, after)
    await act.change(before, renewed, operation)
    return renewed


async def renew_member(act: Act, user_id: str, organization_id: str) -> None:
    """Renew all credentials of the member, if there is one; its membership stays what it is."""
    membership = await act.of(Membership).get(user_id, organization_id, lock=True)
    if membership is not None:
        await act.of(Membership).put(await _next(act, membership, membership))


async def renew_api_key(act: Act, api_key_id: str) -> None:
    """Renew the key, if there is one; the key itself goes on."""
    key = await act.of(ApiKey).get(api_key_id, lock=True)
    if key is not None:
        await act.of(ApiKey).put(replace(key, version=key.version + 1))
        await act.end(key.organization_id, api_key_revocation(api_key_id, key.version))


async def change_organization(act: Act, before: Organization, after: Organization) -> Organization:
    """Keep what concerns all of its principals, tell, and renew; what it is then."""
    renewed = replace(after, version=before.version + 1)
    await act.change(before, renewed)
    await act.end(before.organization_id, organization_revocation(before.version))
    return renewed


async def renew_organization(act: Act, organization_id: str) -> None:
    """Renew all credentials of the organisation."""
    organization = await act.of(Organization).get(organization_id, lock=True)
    if organization is not None:
        later = replace(organization, version=organization.version + 1)
        await act.of(Organization).put(later)
        await act.end(organization_id, organization_revocation(organization.version))


async def unused_version(act: Act, user_id: str, organization_id: str, first: int = 1) -> int:
    """The first version of this membership, from `first` on, that was not announced to have ended.

    Somebody who joins again must not begin with one of those.
    """
    version = first
    while await act.of(Revocation).get(organization_id, membership_revocation(user_id, version)):
        version += 1
    return version


async def _next(act: Act, before: Membership, after: Membership) -> Membership:
    user_id, organization_id = before.user_id, before.organization_id
    await act.end(organization_id, membership_revocation(user_id, before.version))
    version = await unused_version(act, user_id, organization_id, before.version + 1)
    return replace(after, version=version)
