"""Invitations: made, sent, taken back, and taken once by whom they were sent to."""

from dataclasses import replace

import pytest

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Membership, User
from headrace_auth.domain.lockout import MAILBOX_POLICY
from headrace_auth.domain.mails import ACCOUNT_NEEDED
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import CredentialKind, Role, Scope
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.testing.administration import (
    GLOBEX_TEAM,
    INVITATION_SECONDS,
    INVITATIONS_PER_DAY,
    Administration,
)
from headrace_auth.testing.directory import (
    ACME,
    ACME_TEAM,
    ADMIN,
    AUDITOR,
    GLOBEX,
    HOMELESS,
    MEMBER,
    OUTSIDER,
    OWNER,
    SERVICE,
    Person,
)
from headrace_auth.testing.refusals import refusal, refused
from headrace_auth.use_cases.directory.manage_invitations import InvitationRequest
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_auth.use_cases.directory.taking_invitations import accept
from headrace_common.errors import Reason

AUDITING = InvitationRequest(HOMELESS.email, Role.AUDITOR)


async def digest(world: Administration) -> bytes:
    """Of the token in the last mail."""
    found = opaque_secrets.parse(TokenPrefix.INVITATION, world.invitation_token())
    assert found is not None
    return found


async def take(
    world: Administration, token_sha256: bytes, user_id: str = HOMELESS.user_id
) -> Membership:
    """Accept as this user, who has proven its address."""
    async with world.acts.begin(Caller()) as act:
        user = await act.of(User).get(user_id)
        assert user is not None
        return await accept(act, token_sha256, user)


async def test_an_invitation_is_kept_sent_and_told_without_its_token(
    world: Administration,
) -> None:
    request = InvitationRequest(" New@Acme.Test", Role.MEMBER, ACME_TEAM)
    invitation = await world.invitations.invite(await world.caller(ADMIN), request)
    assert await world.get(Invitation, invitation.invitation_id) == invitation
    assert (invitation.email, invitation.role) == ("new@acme.test", Role.MEMBER)
    assert (invitation.team_id, invitation.created_by) == (ACME_TEAM, ADMIN.user_id)
    life = invitation.expires_at - world.clock.now()
    assert life.total_seconds() == INVITATION_SECONDS
    [mail] = world.mailer.sent
    assert (mail.to, mail.subject) == ("new@acme.test", "Invitation to acme")
    assert ADMIN.email in mail.text
    assert invitation.token_sha256 == await digest(world)
    told = str(await world.events()) + repr(invitation)
    assert world.invitation_token() not in told
    assert "token_sha256" not in told


@pytest.mark.parametrize("mode", list(RegistrationMode))
async def test_where_nobody_can_register_every_invitation_says_so(
    world: Administration, mode: RegistrationMode
) -> None:
    closed = Administration(world.store, world.clock, registration=mode)
    for email in ("stranger@new.test", HOMELESS.email):
        request = InvitationRequest(email, Role.MEMBER)
        invitation = await closed.invitations.invite(await closed.caller(ADMIN), request)
        assert invitation.email == email
        said = ACCOUNT_NEEDED in closed.mailer.sent[-1].text
        assert said is (mode is RegistrationMode.CLOSED)


async def test_a_new_invitation_takes_the_place_of_an_open_one(world: Administration) -> None:
    caller = await world.caller(OWNER)
    first = await world.invitations.invite(caller, AUDITING)
    old = await digest(world)
    second = await world.invitations.invite(caller, replace(AUDITING, role=Role.MEMBER))
    replaced = await world.get(Invitation, first.invitation_id)
    assert replaced is not None
    assert replaced.revoked_at == world.clock.now()
    assert await refused(take(world, old)) is Reason.RESOURCE_NOT_FOUND
    assert (await take(world, await digest(world))).role is Role.MEMBER
    accepted = await world.get(Invitation, second.invitation_id)
    assert accepted is not None
    assert accepted.accepted_at == world.clock.now()


async def test_one_mailbox_gets_few_invitations_whoever_invites(world: Administration) -> None:
    callers = [await world.caller(OWNER), await world.caller(OUTSIDER)]
    most = MAILBOX_POLICY.free_failures + 1
    for number in range(most):
        await world.invitations.invite(callers[number % 2], AUDITING)
    open_ones = await world.find(Invitation, email=HOMELESS.email, revoked_at=None)
    for caller in callers:
        again = world.invitations.invite(caller, AUDITING)
        assert await refused(again) is Reason.REQUEST_RATE_LIMITED
    assert len(world.mailer.sent) == most
    # The links that were sent still work.
    left = await world.find(Invitation, email=HOMELESS.email, revoked_at=None)
    assert left == open_ones
    await world.invitations.invite(callers[0], replace(AUDITING, email="another@new.test"))
    world.clock.advance(MAILBOX_POLICY.first_wait_seconds)
    await world.invitations.invite(callers[0], AUDITING)


async def test_an_organisation_sends_only_so_many_a_day_also_if_it_takes_them_back(
    world: Administration,
) -> None:
    caller = await world.caller(OWNER)
    for number in range(INVITATIONS_PER_DAY):
        request = replace(AUDITING, email=f"new{number}@new.test")
        made = await world.invitations.invite(caller, request)
        await world.invitations.revoke(caller, made.invitation_id)
        world.clock.advance(60)
    another = replace(AUDITING, email="another@new.test")
    error = await refusal(world.invitations.invite(caller, another))
    assert error.reason is Reason.REQUEST_RATE_LIMITED
    assert error.retry_after_seconds == 86_400 - INVITATIONS_PER_DAY * 60
    assert len(world.mailer.sent) == INVITATIONS_PER_DAY
    # Another organisation's are its own, also when the platform's owners send them.
    await world.invitations.invite(await world.caller(OUTSIDER), another)
    elsewhere = InvitationRequest("boss@new.test", Role.OWNER, organization_id=GLOBEX)
    await world.invitations.invite(caller, elsewhere)
    world.clock.advance(error.retry_after_seconds - 1)
    assert await refused(world.invitations.invite(caller, another)) is Reason.REQUEST_RATE_LIMITED
    world.clock.advance(1)
    await world.invitations.invite(caller, another)
    # One place was free; the next one is in a minute.
    more = replace(AUDITING, email="more@new.test")
    assert (await refusal(world.invitations.invite(caller, more))).retry_after_seconds == 60


async def test_another_organisations_invitation_is_not_replaced(world: Administration) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    acmes = await digest(world)
    await world.invitations.invite(await world.caller(OUTSIDER), AUDITING)
    assert (await take(world, acmes)).organization_id == ACME
    assert (await take(world, await digest(world))).organization_id == GLOBEX


async def test_who_accepts_is_a_member_and_it_is_told_in_its_name(world: Administration) -> None:
    request = replace(AUDITING, team_id=ACME_TEAM)
    await world.invitations.invite(await world.caller(OWNER), request)
    membership = await take(world, await digest(world))
    assert await world.get(Membership, HOMELESS.user_id, ACME) == membership
    assert (membership.role, membership.team_id) == (Role.AUDITOR, ACME_TEAM)
    told = [each for each in await world.events() if each.operation != "invitation.create"]
    assert {each.operation for each in told} == {"invitation.accept", "membership.create"}
    for event in told:
        assert (event.actor.user_id, event.actor.organization_id) == (HOMELESS.user_id, ACME)


async def test_an_invitation_is_taken_once(world: Administration) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    token = await digest(world)
    await take(world, token)
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND
    await world.members.remove(await world.caller(OWNER), HOMELESS.user_id)
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND


async def test_an_invitation_ends_at_its_moment(world: Administration) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    world.clock.advance(INVITATION_SECONDS)
    assert await refused(take(world, await digest(world))) is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize("token", [b"", b"\0" * 32, b"x" * 32])
async def test_an_unknown_token_is_no_invitation(world: Administration, token: bytes) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND


async def test_an_invitation_is_for_its_address(world: Administration) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    call = take(world, await digest(world), OUTSIDER.user_id)
    assert await refused(call) is Reason.PERMISSION_DENIED
    assert await world.get(Membership, OUTSIDER.user_id, ACME) is None


async def test_an_address_that_was_not_proven_counts_for_nothing(world: Administration) -> None:
    await world.invitations.invite(await world.caller(OWNER), AUDITING)
    async with world.store.begin() as transaction:
        user = await transaction.of(User).get(HOMELESS.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, email_verified_at=None))
    assert await refused(take(world, await digest(world))) is Reason.PERMISSION_DENIED


async def test_an_inviter_who_lost_the_right_has_offered_nothing(world: Administration) -> None:
    owner = await world.caller(OWNER)
    await world.invitations.invite(await world.caller(ADMIN), AUDITING)
    token = await digest(world)
    await world.members.update(owner, ADMIN.user_id, MemberChange(role=Role.MEMBER))
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND
    await world.members.update(owner, ADMIN.user_id, MemberChange(role=Role.ADMIN))
    await world.accounts.disable(owner, ADMIN.user_id)
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND
    await world.accounts.enable(owner, ADMIN.user_id)
    await world.members.remove(owner, ADMIN.user_id)
    assert await refused(take(world, token)) is Reason.RESOURCE_NOT_FOUND


async def test_who_joins_again_does_not_begin_with_what_gateways_refuse(
    world: Administration,
) -> None:
    owner = await world.caller(OWNER)
    for role in (Role.AUDITOR, Role.MEMBER):
        await world.invitations.invite(owner, replace(AUDITING, role=role))
        await take(world, await digest(world))
        await world.members.update(owner, HOMELESS.user_id, MemberChange(team_id=ACME_TEAM))
        await world.members.remove(owner, HOMELESS.user_id)
    await world.invitations.invite(owner, AUDITING)
    membership = await take(world, await digest(world))
    refused_ids = {each for place, each in world.announcer.announced if place == ACME}
    assert f"member:{HOMELESS.user_id}:{membership.version}" not in refused_ids
    assert membership.version == 5


async def test_members_are_not_invited(world: Administration) -> None:
    request = replace(AUDITING, email=MEMBER.email.upper())
    error = await refusal(world.invitations.invite(await world.caller(OWNER), request))
    assert (error.reason, error.param) == (Reason.ALREADY_EXISTS, "email")
    assert (await world.events(), world.mailer.sent) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (replace(AUDITING, role=Role.SERVICE), "role"),
        (replace(AUDITING, email="nobody"), "email"),
        (replace(AUDITING, email=""), "email"),
        (replace(AUDITING, email="a@b.test\r\nBcc: c@d.test"), "email"),
        (replace(AUDITING, email="a@b.test, c@d.test"), "email"),
        (replace(AUDITING, email="x" * 250 + "@b.test"), "email"),
    ],
)
async def test_fields_have_rules(
    world: Administration, wanted: InvitationRequest, param: str
) -> None:
    call = world.invitations.invite(await world.caller(OWNER), wanted)
    error = await refusal(call)
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, param)
    assert world.mailer.sent == []


async def test_admins_invite_no_owners_and_take_none_back(world: Administration) -> None:
    admin = await world.caller(ADMIN)
    call = world.invitations.invite(admin, replace(AUDITING, role=Role.OWNER))
    assert await refused(call) is Reason.PERMISSION_DENIED
    owners = await world.invitations.invite(
        await world.caller(OWNER), replace(AUDITING, role=Role.OWNER)
    )
    call = world.invitations.revoke(admin, owners.invitation_id)
    assert await refused(call) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("person", [MEMBER, AUDITOR, SERVICE])
async def test_nobody_else_invites(world: Administration, person: Person) -> None:
    caller = await world.caller(person)
    assert await refused(world.invitations.invite(caller, AUDITING)) is Reason.PERMISSION_DENIED
    assert await refused(world.invitations.revoke(caller, ACME)) is Reason.PERMISSION_DENIED


async def test_a_key_that_may_only_invite_invites_nobody_with_more(world: Administration) -> None:
    scopes = frozenset({Scope.ORGANIZATION_WRITE})
    caller = await world.caller(OWNER, scopes=scopes, kind=CredentialKind.API_KEY)
    for role in (Role.OWNER, Role.AUDITOR):
        call = world.invitations.invite(caller, replace(AUDITING, role=role))
        assert await refused(call) is Reason.PERMISSION_DENIED


@pytest.mark.parametrize("team_id", [GLOBEX_TEAM.team_id, ACME, "x", "\0"])
async def test_nobody_is_invited_into_another_organisations_team(
    world: Administration, team_id: str
) -> None:
    await world.keep(GLOBEX_TEAM)
    request = replace(AUDITING, team_id=team_id)
    call = world.invitations.invite(await world.caller(OWNER), request)
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_the_platforms_owners_invite_owners_anywhere(world: Administration) -> None:
    caller = await world.caller(OWNER)
    request = InvitationRequest(HOMELESS.email, Role.OWNER, organization_id=GLOBEX)
    invitation = await world.invitations.invite(caller, request)
    assert invitation.organization_id == GLOBEX
    membership = await take(world, await digest(world))
    assert (membership.organization_id, membership.role) == (GLOBEX, Role.OWNER)
    of_a_team = replace(request, team_id=GLOBEX_TEAM.team_id)
    for other in (replace(request, role=Role.MEMBER), of_a_team):
        call = world.invitations.invite(caller, other)
        assert await refused(call) is Reason.INVALID_FIELD
    call = world.invitations.invite(caller, replace(request, organization_id=ACME_TEAM))
    assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_what_the_platforms_owners_offered_ends_with_their_right(
    world: Administration,
) -> None:
    request = InvitationRequest(HOMELESS.email, Role.OWNER, organization_id=GLOBEX)
    await world.invitations.invite(await world.caller(OWNER), request)
    async with world.store.begin() as transaction:
        membership = await transaction.of(Membership).get(OWNER.user_id, ACME)
        assert membership is not None
        await transaction.of(Membership).put(replace(membership, role=Role.ADMIN))
    assert await refused(take(world, await digest(world))) is Reason.RESOURCE_NOT_FOUND


async def test_to_everybody_else_other_organisations_do_not_exist(world: Administration) -> None:
    for person, place in ((ADMIN, GLOBEX), (OUTSIDER, ACME)):
        request = InvitationRequest("x@new.test", Role.MEMBER, organization_id=place)
        call = world.invitations.invite(await world.caller(person), request)
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND


async def test_an_invitation_is_taken_back_and_told_once(world: Administration) -> None:
    caller = await world.caller(ADMIN)
    invitation = await world.invitations.invite(caller, AUDITING)
    for _ in range(2):
        revoked = await world.invitations.revoke(caller, invitation.invitation_id)
        assert revoked.revoked_at == world.clock.now()
    assert await world.operations() == ["invitation.create", "invitation.revoke"]
    assert await refused(take(world, await digest(world))) is Reason.RESOURCE_NOT_FOUND


async def test_what_was_accepted_is_not_taken_back(world: Administration) -> None:
    caller = await world.caller(OWNER)
    invitation = await world.invitations.invite(caller, AUDITING)
    await take(world, await digest(world))
    error = await refusal(world.invitations.revoke(caller, invitation.invitation_id))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "invitation_id")


async def test_another_organisations_invitation_does_not_exist(world: Administration) -> None:
    acmes = await world.invitations.invite(await world.caller(OWNER), AUDITING)
    outsider = await world.caller(OUTSIDER)
    globexs = await world.invitations.invite(outsider, AUDITING)
    for caller, invitation_id in (
        (outsider, acmes.invitation_id),
        (await world.caller(OWNER), globexs.invitation_id),
        (outsider, "x"),
        (outsider, "\0"),
    ):
        call = world.invitations.revoke(caller, invitation_id)
        assert await refused(call) is Reason.RESOURCE_NOT_FOUND
    page = await world.invitations.page(outsider, None, 10)
    assert [each.invitation_id for each in page.items] == [globexs.invitation_id]


async def test_the_platforms_owners_take_back_what_they_offered_elsewhere(
    world: Administration,
) -> None:
    caller = await world.caller(OWNER)
    request = InvitationRequest(HOMELESS.email, Role.OWNER, organization_id=GLOBEX)
    invitation = await world.invitations.invite(caller, request)
    revoked = await world.invitations.revoke(caller, invitation.invitation_id)
    assert revoked.revoked_at is not None


async def test_who_sees_invitations(world: Administration) -> None:
    invitation = await world.invitations.invite(await world.caller(OWNER), AUDITING)
    for person in (OWNER, ADMIN, AUDITOR):
        page = await world.invitations.page(await world.caller(person), None, 10)
        assert page.items == [invitation]
    for person in (MEMBER, SERVICE):
        call = world.invitations.page(await world.caller(person), None, 10)
        assert await refused(call) is Reason.PERMISSION_DENIED
