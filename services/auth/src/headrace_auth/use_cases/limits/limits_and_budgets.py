"""Limits and budgets: listing, setting and removing them; both are caps on somebody's use."""

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption import BudgetRecord, LimitRecord
from headrace_auth.domain.directory import Organization
from headrace_auth.domain.principal import Principal, Subject
from headrace_auth.domain.records import key_of
from headrace_auth.domain.refusals import invalid_field, not_found
from headrace_auth.domain.rights import Action, Reach, allows, authorize
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory_lock import lock_directory_in_role
from headrace_auth.use_cases.limits.subjects import (
    check_grant_on,
    check_subject,
    renew_subject,
    subjects_of,
)

C = TypeVar("C", bound=LimitRecord | BudgetRecord)


@dataclass(frozen=True, slots=True)
class CapRights(Generic[C]):
    """What kind of caps these are, and which rights they need."""

    record_type: type[C]
    to_list: Action
    to_set: Action
    to_remove: Action
    for_organization: Action
    """To set and remove those of organisations, and to name another organisation."""


LIMIT_RIGHTS = CapRights(
    LimitRecord,
    Action.LIST_LIMITS,
    Action.SET_LIMIT,
    Action.REMOVE_LIMIT,
    Action.SET_ORGANIZATION_LIMIT,
)
BUDGET_RIGHTS = CapRights(
    BudgetRecord,
    Action.LIST_BUDGETS,
    Action.SET_BUDGET,
    Action.REMOVE_BUDGET,
    Action.SET_ORGANIZATION_BUDGET,
)


@dataclass(frozen=True, slots=True)
class CapFilter:
    """Which caps somebody wants to see; None and empty: all, and the own organisation's."""

    subject_type: Subject | None = None
    subject_id: str = ""
    organization_id: str = ""

    def fields(self) -> dict[str, Any]:
        """What is wanted of subjects, by field of the records."""
        fields = {"subject_type": self.subject_type, "subject_id": self.subject_id}
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class CapPage(Generic[C]):
    """Caps by key, and the key after which the next page starts; None on the last page."""

    caps: list[C]
    next_key: tuple[str, ...] | None = None


class Caps(Generic[C]):
    """Acts for a principal in its organisation; for the platform's owners on organisations."""

    def __init__(self, acts: Acts, rights: CapRights[C]) -> None:
        self._acts = acts
        self._rights = rights

    async def set(self, caller: Caller, wanted: C) -> C:
        """Set it, or change the one with its key; empty ids are the own organisation's.

        Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND or INVALID_FIELD.
        """
        cap = self._placed(caller.identified(), wanted, self._rights.to_set)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, cap.organization_id)
            await check_subject(act, cap)
            before = await act.of(self._rights.record_type).get(*key_of(cap))
            if before == cap:
                return cap
            await (act.add(cap) if before is None else act.change(before, cap))
            await renew_subject(act, cap)
        return cap

    async def remove(self, caller: Caller, wanted: C) -> C:
        """Remove the one with this key; raises as `set`."""
        named = self._placed(caller.identified(), wanted, self._rights.to_remove)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, named.organization_id)
            cap = await act.of(self._rights.record_type).get(*key_of(named))
            if cap is None:
                raise not_found(named.KIND.name)
            await check_grant_on(act, cap)
            await act.remove(cap)
            await renew_subject(act, cap)
        return cap

    async def page(
        self, caller: Caller, wanted: CapFilter, after: tuple[str, ...] | None, size: int
    ) -> CapPage[C]:
        """To members what applies to themselves, all of it at once; raises as `set`."""
        principal = caller.identified()
        reach = authorize(principal, self._rights.to_list)
        place = wanted.organization_id or principal.member.organization_id
        if place != principal.member.organization_id:
            self._check_outside(principal, wanted.subject_type)
        async with self._acts.begin(caller) as act:
            if reach is Reach.OWN:
                return CapPage(await self._own(act, principal, wanted))
            if await act.of(Organization).get(place) is None:
                raise not_found(Organization.KIND.name)
            found = await act.of(self._rights.record_type).by_key(
                (place, *after) if after else None,
                size + 1,
                organization_id=place,
                **wanted.fields(),
            )
        if len(found) <= size:
            return CapPage(found)
        return CapPage(found[:size], key_of(found[size - 1])[1:])

    async def _own(self, act: Act, principal: Principal, wanted: CapFilter) -> list[C]:
        """What applies to the member and is wanted; of API keys only one that is named."""
        place = principal.member.organization_id
        caps: list[C] = []
        for subject_type, subject_id in await subjects_of(act, principal, wanted.subject_id):
            if wanted.subject_type not in (None, subject_type):
                continue
            if wanted.subject_id in ("", subject_id):
                caps += await act.of(self._rights.record_type).find(
                    organization_id=place, subject_type=subject_type, subject_id=subject_id
                )
        return caps

    def _placed(self, principal: Principal, wanted: C, action: Action) -> C:
        """With all ids filled in, if the principal may do that there."""
        here = principal.member.organization_id
        place = wanted.organization_id or here
        if place != here:
            self._check_outside(principal, wanted.subject_type)
        if wanted.subject_type is not Subject.ORGANIZATION:
            authorize(principal, action)
            if not wanted.subject_id:
                raise invalid_field("subject_id", "needed unless the subject is an organization")
            return replace(wanted, organization_id=place)
        authorize(principal, self._rights.for_organization)
        if wanted.subject_id not in ("", place):
            raise not_found(Organization.KIND.name)
        return replace(wanted, organization_id=place, subject_id=place)

    def _check_outside(self, principal: Principal, subject_type: Subject | None) -> None:
        """Of another organisation only the platform's owners see, and only the whole."""
        if not allows(principal, self._rights.for_organization):
            raise not_found(Organization.KIND.name)
        if subject_type is not Subject.ORGANIZATION:
            raise invalid_field("subject", "of another organization only the organization itself")
