"""Giving organisations a tier."""

from dataclasses import replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Organization
from headrace_auth.domain.principal import Tier
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.directory_lock import lock_directory_in_role
from headrace_auth.use_cases.renewals import change_organization


class Tiers:
    """Acts for the platform's owners: what an organisation is promised is not its own to say."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def set(self, caller: Caller, organization_id: str, tier: Tier) -> Organization:
        """Of that organisation, or of the caller's own if the id is empty.

        Raises PERMISSION_DENIED or RESOURCE_NOT_FOUND.
        """
        principal = caller.identified()
        authorize(principal, Action.SET_TIER)
        place = organization_id or principal.member.organization_id
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, place)
            before = await act.of(Organization).get(place, lock=True)
            if before is None:
                raise not_found(Organization.KIND.name)
            if before.tier is tier:
                return before
            return await change_organization(act, before, replace(before, tier=tier))
