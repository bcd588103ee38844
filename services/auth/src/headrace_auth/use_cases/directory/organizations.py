"""Making, listing and renaming organisations."""

from dataclasses import dataclass, replace

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Membership, Organization
from headrace_auth.domain.directory_fields import check_mail_address
from headrace_auth.domain.fields import check_name
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Principal, Role
from headrace_auth.domain.refusals import not_found
from headrace_auth.domain.rights import Action, authorize, check_gift
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.directory.sending_invitations import Inviter, Offer
from headrace_auth.use_cases.pages import Page, page_of
from headrace_common.ids import uuid7


@dataclass(frozen=True, slots=True)
class CreatedOrganization:
    """A new organisation, with its first owner's invitation."""

    organization: Organization
    invitation: Invitation | None = None


class Organizations:
    """Acts for a principal; what it may do with an organisation that is not its own, it is told."""

    def __init__(self, acts: Acts, inviter: Inviter) -> None:
        self._acts = acts
        self._inviter = inviter

    async def create(self, caller: Caller, name: str, owner_email: str) -> CreatedOrganization:
        """Raises PERMISSION_DENIED, INVALID_FIELD or ALREADY_EXISTS."""
        principal = caller.identified()
        authorize(principal, Action.CREATE_ORGANIZATION)
        check_gift(principal, Role.OWNER)
        check_name(name)
        email = check_mail_address("owner_email", owner_email) if owner_email else ""
        async with self._acts.begin(caller) as act:
            organization = Organization(uuid7(act.now), name, act.now)
            await act.add(organization)
            if not email:
                return CreatedOrganization(organization)
            offer = Offer(organization, email, Role.OWNER)
            return CreatedOrganization(organization, await self._inviter.offer(act, offer))

    async def joined(self, caller: Caller) -> list[Organization]:
        """Those that the principal's user is in, the newest first; raises PERMISSION_DENIED."""
        principal = caller.identified()
        authorize(principal, Action.LIST_ORGANIZATIONS)
        async with self._acts.begin(caller) as act:
            joined = await act.of(Membership).find(user_id=principal.member.user_id)
            organizations = [
                organization
                for each in joined
                if (organization := await act.of(Organization).get(each.organization_id))
            ]
        return sorted(organizations, key=lambda each: each.created_at, reverse=True)

    async def page(self, caller: Caller, after: Position | None, size: int) -> Page[Organization]:
        """All of this installation; raises PERMISSION_DENIED."""
        authorize(caller.identified(), Action.LIST_ALL_ORGANIZATIONS)
        async with self._acts.begin(caller) as act:
            return await page_of(act.of(Organization), after, size)

    async def get(self, caller: Caller, organization_id: str) -> Organization:
        """Raises PERMISSION_DENIED or RESOURCE_NOT_FOUND."""
        principal = caller.identified()
        authorize(principal, Action.GET_ORGANIZATION)
        _check_own(principal, organization_id)
        async with self._acts.begin(caller) as act:
            return _found(await act.of(Organization).get(organization_id))

    async def rename(self, caller: Caller, organization_id: str, name: str) -> Organization:
        """Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND, INVALID_FIELD or ALREADY_EXISTS."""
        principal = caller.identified()
        authorize(principal, Action.UPDATE_ORGANIZATION)
        _check_own(principal, organization_id)
        check_name(name)
        async with self._acts.begin(caller) as act:
            before = _found(await act.of(Organization).get(organization_id, lock=True))
            after = replace(before, name=name)
            if after != before:
                await act.change(before, after)
        return after


def _check_own(principal: Principal, organization_id: str) -> None:
    if organization_id != principal.member.organization_id:
        raise not_found(Organization.KIND.name)


def _found(organization: Organization | None) -> Organization:
    if organization is None:
        raise not_found(Organization.KIND.name)
    return organization
