"""Organisations: made by the platform's owners, seen and renamed only from within."""

import pytest

from headrace_auth.domain.directory import Invitation, Organization
from headrace_auth.domain.principal import CredentialKind, Role, Scope
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
from headrace_auth.testing.refusals import refusal, refused
from headrace_common.errors import Reason


async def test_a_new_organisation_is_told_and_is_not_the_platform(world: Administration) -> None:
    made = await world.organizations.create(await world.caller(OWNER), "initech", "")
    organization = made.organization
    assert await world.get(Organization, organization.organization_id) == organization
    assert (organization.platform, organization.version, made.invitation) == (False, 1, None)
    assert await world.operations() == ["organization.create"]
    assert world.mailer.sent == []


async def test_its_first_owner_is_invited(world: Administration) -> None:
    caller = await world.caller(OWNER)
    made = await world.organizations.create(caller, "initech", " Boss@Initech.Test ")
    invitation = made.invitation
    assert invitation is not None
    assert await world.get(Invitation, invitation.invitation_id) == invitation
    assert invitation.organization_id == made.organization.organization_id
    assert (invitation.email, invitation.role) == ("boss@initech.test", Role.OWNER)
    assert await world.operations() == ["invitation.create", "organization.create"]
    [mail] = world.mailer.sent
    assert (mail.to, mail.subject) == ("boss@initech.test", "Invitation to initech")


async def test_a_taken_name_makes_nothing_and_invites_nobody(world: Administration) -> None:
    call = world.organizations.create(await world.caller(OWNER), "globex", "boss@initech.test")
    assert await refused(call) is Reason.ALREADY_EXISTS
    assert (await world.events(), world.mailer.sent) == ([], [])


@pytest.mark.parametrize(
    ("name", "email", "param"),
    [
        ("", "", "name"),
        ("x" * 101, "", "name"),
        ("a\r\nb", "", "name"),
        ("x", "nobody", "owner_email"),
        ("x", '"a b"@initech.test', "owner_email"),
        ("x", "a@b.test,c@d.test", "owner_email"),
        ("x", "grüße@initech.test", "owner_email"),
    ],
)
async def test_fields_have_rules(world: Administration, name: str, email: str, param: str) -> None:
    error = await refusal(world.organizations.create(await world.caller(OWNER), name, email))
    assert error.reason is Reason.INVALID_FIELD
    assert error.param in (param, "email")
    assert await world.events() == []


@pytest.mark.parametrize("person", [ADMIN, MEMBER, AUDITOR, SERVICE, OUTSIDER])
async def test_only_the_platforms_owners_make_and_see_all(
    world: Administration, person: Person
) -> None:
    caller = await world.caller(person)
    create = world.organizations.create(caller, "initech", "")
    assert await refused(create) is Reason.PERMISSION_DENIED
    assert await refused(world.organizations.page(caller, None, 10)) is Reason.PERMISSION_DENIED


async def test_a_key_makes_no_organisations_but_may_list_all(world: Administration) -> None:
    caller = await world.caller(OWNER, kind=CredentialKind.API_KEY)
    create = world.organizations.create(caller, "initech", "")
    assert await refused(create) is Reason.PERMISSION_DENIED
    page = await world.organizations.page(caller, None, 10)
    assert {each.organization_id for each in page.items} == {ACME, GLOBEX}


async def test_an_owner_is_only_made_with_all_of_an_owners_scopes(world: Administration) -> None:
    caller = await world.caller(OWNER, scopes=frozenset({Scope.PLATFORM_WRITE}))
    error = await refusal(world.organizations.create(caller, "initech", "boss@initech.test"))
    assert error.reason is Reason.PERMISSION_DENIED
    assert "llm:invoke" in error.message


async def test_everybody_sees_where_it_belongs(world: Administration) -> None:
    joined = await world.organizations.joined(await world.caller(MEMBER))
    assert {each.organization_id for each in joined} == {ACME, GLOBEX}
    joined = await world.organizations.joined(await world.caller(OUTSIDER))
    assert [each.organization_id for each in joined] == [GLOBEX]
    call = world.organizations.joined(await world.caller(SERVICE))
    assert await refused(call) is Reason.PERMISSION_DENIED


async def test_pages_of_all_organisations_end(world: Administration) -> None:
    caller = await world.caller(OWNER)
    first = await world.organizations.page(caller, None, 1)
    assert first.next_position is not None
    second = await world.organizations.page(caller, first.next_position, 1)
    assert second.next_position is None
    assert {each.name for each in first.items + second.items} == {"acme", "globex"}


async def test_members_see_their_own(world: Administration) -> None:
    for person in (OWNER, ADMIN, MEMBER, AUDITOR):
        found = await world.organizations.get(await world.caller(person), ACME)
        assert (found.name, found.platform) == ("acme", True)
    call = world.organizations.get(await world.caller(SERVICE), ACME)
    assert await refused(call) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("organization_id", [GLOBEX, "", "x", "\0", ACME.upper()])
async def test_no_other_is_seen_or_renamed_not_even_from_the_platform(
    world: Administration, organization_id: str
) -> None:
    # MEMBER is in both; its credential is for one.
    for person in (OWNER, MEMBER):
        call = world.organizations.get(await world.caller(person), organization_id)
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    call = world.organizations.rename(await world.caller(OWNER), organization_id, "mine")
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_owners_rename_their_own(world: Administration) -> None:
    caller = await world.caller(OUTSIDER)
    for _ in range(2):
        assert (await world.organizations.rename(caller, GLOBEX, "initech")).name == "initech"
    before, after = await world.change("organization.update")
    assert (before["name"], after["name"]) == ("globex", "initech")
    # Nothing that gateways know of principals has changed.
    assert world.announcer.announced == []


@pytest.mark.parametrize("person", [ADMIN, MEMBER, AUDITOR, SERVICE])
async def test_nobody_else_renames_it(world: Administration, person: Person) -> None:
    call = world.organizations.rename(await world.caller(person), ACME, "x")
    assert await refused(call) is Reason.PERMISSION_DENIED


async def test_a_name_that_another_has_is_not_taken_over(world: Administration) -> None:
    call = world.organizations.rename(await world.caller(OUTSIDER), GLOBEX, "acme")
    assert await refused(call) is Reason.ALREADY_EXISTS
    assert await world.events() == []
