"""Tiers: given by the platform's owners, to any organisation; gateways hear of it at once."""

import pytest

from headrace_auth.domain.directory import Organization
from headrace_auth.domain.principal import CredentialKind, Scope, Tier
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    AUDITOR,
    GLOBEX,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.refusals import refused
from headrace_common.errors import Reason


async def test_a_new_organisation_is_standard(world: Administration) -> None:
    made = await world.organizations.create(await world.caller(OWNER), "initech", "")
    assert made.organization.tier is Tier.STANDARD


@pytest.mark.parametrize(("named", "place"), [("", ACME), (ACME, ACME), (GLOBEX, GLOBEX)])
async def test_a_tier_is_kept_told_and_announced(
    world: Administration, named: str, place: str
) -> None:
    caller = await world.caller(OWNER, kind=CredentialKind.API_KEY)
    changed = await world.tiers.set(caller, named, Tier.PREMIUM)
    assert (changed.tier, changed.version) == (Tier.PREMIUM, 2)
    assert await world.get(Organization, place) == changed
    assert await world.operations() == ["organization.update"]
    before, after = await world.change("organization.update")
    assert (before["tier"], after["tier"]) == ("standard", "premium")
    assert (before["organization_id"], before["name"]) == (place, after["name"])
    assert world.announcer.announced == [(place, "organization:1")]


async def test_who_is_in_it_carries_the_tier_under_a_new_id(world: Administration) -> None:
    await world.tiers.set(await world.caller(OWNER), GLOBEX, Tier.FREE)
    after = (await world.caller(OUTSIDER)).identified()
    assert after.member.tier is Tier.FREE
    ended = {each for place, each in world.announcer.announced if place == GLOBEX}
    assert not ended & set(after.revocation_ids)


async def test_the_tier_that_it_has_changes_nothing(world: Administration) -> None:
    changed = await world.tiers.set(await world.caller(OWNER), GLOBEX, Tier.STANDARD)
    assert (changed.tier, changed.version) == (Tier.STANDARD, 1)
    assert (await world.operations(), world.announcer.announced) == ([], [])


async def test_its_members_see_it(world: Administration) -> None:
    await world.tiers.set(await world.caller(OWNER), ACME, Tier.FREE)
    found = await world.organizations.get(await world.caller(AUDITOR), ACME)
    assert found.tier is Tier.FREE


@pytest.mark.parametrize("person", [ADMIN, MEMBER, AUDITOR, SERVICE, OUTSIDER])
async def test_nobody_else_gives_one_not_even_to_its_own(
    world: Administration, person: Person
) -> None:
    caller = await world.caller(person)
    for place in ("", ACME, GLOBEX, "x"):
        assert await refused(world.tiers.set(caller, place, Tier.FREE)) is Reason.PERMISSION_DENIED
    assert await world.events() == []


async def test_a_credential_needs_the_scope(world: Administration) -> None:
    caller = await world.caller(OWNER, scopes=frozenset(Scope) - {Scope.PLATFORM_WRITE})
    assert await refused(world.tiers.set(caller, ACME, Tier.FREE)) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("place", ["x", "\0", ACME.upper(), "' OR 1=1 --"])
async def test_an_organisation_that_is_none_is_not_found(world: Administration, place: str) -> None:
    call = world.tiers.set(await world.caller(OWNER), place, Tier.FREE)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND
