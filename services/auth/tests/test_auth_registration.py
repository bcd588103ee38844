"""Registering: who may, what it makes, and that it tells no stranger who has an account."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.mail.memory import MemoryMailer
from headrace_auth.adapters.mail.queue import MailQueue
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.lockout import MAILBOX_POLICY, REQUEST_POLICY
from headrace_auth.domain.principal import Role
from headrace_auth.domain.registration import (
    RegistrationMode,
    RegistrationRequest,
    check_registration,
    own_organization_names,
)
from headrace_auth.testing.account_suite import INVITATION, NEWCOMER, invite, registration
from headrace_auth.testing.accounts import BREACHED, HERE, NEW_PASSWORD, AccountWorld
from headrace_auth.testing.directory import ACME, ACME_TEAM, ADMIN, OWNER, PASSWORD
from headrace_auth.use_cases.accounts.registration import Registration
from headrace_common.errors import HeadraceError, Reason

CLOSED, BY_INVITATION = RegistrationMode.CLOSED, RegistrationMode.INVITATION
VERIFY, ALREADY = "Confirm your e-mail address", "You already have an account"
UNCONFIRMED = "Your address is waiting to be confirmed"
INVITED = registration(invitation_sha256=INVITATION.sha256)


async def _user(world: AccountWorld, email: str = NEWCOMER) -> User | None:
    async with world.store.begin() as transaction:
        return next(iter(await transaction.of(User).find(email=email)), None)


async def _places(world: AccountWorld, user: User | None) -> list[tuple[Organization, Membership]]:
    assert user is not None
    async with world.store.begin() as transaction:
        places = []
        for joined in await transaction.of(Membership).find(user_id=user.user_id):
            organization = await transaction.of(Organization).get(joined.organization_id)
            assert organization is not None
            places.append((organization, joined))
        return places


async def _refusal(registrar: Registration, *requests: RegistrationRequest) -> HeadraceError:
    """How all of these are refused: in one way, to the letter."""
    refusals = []
    for request in requests:
        with pytest.raises(HeadraceError) as caught:
            await registrar.register(HERE, request)
        refusals.append(caught.value)
    assert len({repr(each) for each in refusals}) == 1
    return refusals[0]


async def _events(world: AccountWorld) -> list[audit_pb2.AuditEvent]:
    async with world.store.begin() as transaction:
        events = await transaction.of(OutboxEvent).find()
    return [audit_pb2.AuditEvent.FromString(event.payload) for event in events]


async def test_a_newcomer_owns_an_organisation_and_proves_the_address(world: AccountWorld) -> None:
    request = registration(name="Ann", organization_name="Initech")
    await world.registration().register(HERE, request)
    user = await _user(world)
    assert user is not None
    assert (user.name, user.email_verified_at) == ("Ann", None)
    [(organization, joined)] = await _places(world, user)
    assert (organization.name, organization.platform, joined.role) == (
        "Initech",
        False,
        Role.OWNER,
    )
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(NEWCOMER, NEW_PASSWORD)
    assert caught.value.reason is Reason.PERMISSION_DENIED
    await world.verification.verify(HERE, world.token(), NEW_PASSWORD)
    caller = await world.log_in(NEWCOMER, NEW_PASSWORD)
    assert caller.identified().member.organization_id == organization.organization_id


async def test_a_taken_address_hears_of_it_and_nothing_else_happens(world: AccountWorld) -> None:
    before = await _user(world, OWNER.email)
    await world.registration().register(HERE, registration(OWNER.email))
    assert world.subjects(OWNER.email) == [ALREADY]
    assert await _user(world, OWNER.email) == before
    await world.log_in(OWNER.email, PASSWORD)


async def test_who_comes_after_somebody_who_never_confirmed_is_told_what_to_do(
    world: AccountWorld,
) -> None:
    for password in ("somebody else's words", NEW_PASSWORD):
        await world.registration().register(HERE, registration(password=password))
    assert world.subjects(NEWCOMER) == [VERIFY, UNCONFIRMED]
    assert "set a new one here" in world.mailer.sent[-1].text
    await world.password_reset.request(HERE, NEWCOMER)
    await world.password_reset.reset(HERE, world.token(), NEW_PASSWORD)
    await world.registration().register(HERE, registration())
    assert world.subjects(NEWCOMER)[-1] == ALREADY


async def test_without_a_name_the_organisation_is_called_after_the_address(
    world: AccountWorld,
) -> None:
    await world.registration().register(HERE, registration())
    [(organization, _)] = await _places(world, await _user(world))
    assert organization.name == "new"


async def test_a_taken_name_of_an_organisation_is_no_answer_either(world: AccountWorld) -> None:
    await world.registration().register(HERE, registration(organization_name="globex"))
    [(organization, _)] = await _places(world, await _user(world))
    assert organization.name.startswith("globex-")
    assert len(organization.name) == len("globex-") + 8


@given(
    st.text(max_size=100),
    st.text("abc", min_size=1, max_size=200),
    st.text("0123456789abcdef", min_size=8, max_size=8),
)
def test_names_of_own_organisations_keep_their_rule(wanted: str, mine: str, suffix: str) -> None:
    names = own_organization_names(wanted, f"{mine}@people.test", suffix)
    assert names[0] == wanted or (not wanted and mine.startswith(names[0]))
    assert names[1].endswith(f"-{suffix}")
    assert max(map(len, names)) <= 100


@pytest.mark.parametrize("email", [NEWCOMER, OWNER.email])
async def test_a_closed_installation_registers_nobody(world: AccountWorld, email: str) -> None:
    error = await _refusal(world.registration(CLOSED), registration(email), INVITED)
    assert error.reason is Reason.PERMISSION_DENIED
    assert await _user(world) is None


async def test_where_an_invitation_is_needed_strangers_are_refused(world: AccountWorld) -> None:
    registrar = world.registration(BY_INVITATION)
    error = await _refusal(registrar, registration(), registration(OWNER.email))
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "invitation_token")


@pytest.mark.parametrize("mode", [BY_INVITATION, RegistrationMode.OPEN])
async def test_who_is_invited_joins_and_has_proven_the_address(
    world: AccountWorld, mode: RegistrationMode
) -> None:
    await invite(world, role=Role.MEMBER, team_id=ACME_TEAM)
    await world.registration(mode).register(HERE, INVITED)
    [(organization, joined)] = await _places(world, await _user(world))
    assert organization.organization_id == ACME
    assert (joined.role, joined.team_id) == (Role.MEMBER, ACME_TEAM)
    assert world.mailer.sent == []
    caller = await world.log_in(NEWCOMER, NEW_PASSWORD)
    assert caller.identified().member.role is Role.MEMBER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expires_at": timedelta(0)}, Reason.RESOURCE_NOT_FOUND),
        ({"accepted_at": timedelta(0)}, Reason.RESOURCE_NOT_FOUND),
        ({"revoked_at": timedelta(0)}, Reason.RESOURCE_NOT_FOUND),
        ({"token_sha256": b"other"}, Reason.RESOURCE_NOT_FOUND),
        ({"role": Role.OWNER}, Reason.RESOURCE_NOT_FOUND),
        ({"email": "else@people.test"}, Reason.PERMISSION_DENIED),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_an_invitation_that_does_not_count_is_refused_whoever_has_the_address(
    world: AccountWorld, changes: dict[str, Any], reason: Reason
) -> None:
    now = world.clock.now()
    fields: dict[str, Any] = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    registrar = world.registration(BY_INVITATION)
    await invite(world, fields.pop("email", NEWCOMER), **fields)
    free = await _refusal(registrar, INVITED)
    assert free.reason is reason
    assert await _user(world) is None
    taken = User("01900000-0000-7000-8000-0000000000f9", NEWCOMER, now)
    async with world.store.begin() as transaction:
        await transaction.of(User).add(taken)
    assert repr(await _refusal(registrar, INVITED)) == repr(free)


async def test_who_lost_the_right_to_invite_invites_nobody_any_more(world: AccountWorld) -> None:
    await invite(world)
    async with world.store.begin() as transaction:
        memberships = transaction.of(Membership)
        joined = await memberships.get(ADMIN.user_id, ACME)
        assert joined is not None
        await memberships.put(replace(joined, role=Role.MEMBER))
    error = await _refusal(world.registration(BY_INVITATION), INVITED)
    assert error.reason is Reason.RESOURCE_NOT_FOUND


async def test_an_invited_person_who_has_an_account_is_told_so(world: AccountWorld) -> None:
    await invite(world, OWNER.email)
    request = registration(OWNER.email, invitation_sha256=INVITATION.sha256)
    await world.registration(BY_INVITATION).register(HERE, request)
    assert world.subjects(OWNER.email) == [ALREADY]


@pytest.mark.parametrize("password", ["short", BREACHED, f"{BREACHED}1", "headrace12345"])
async def test_a_bad_password_is_refused_whoever_has_the_address(
    world: AccountWorld, password: str
) -> None:
    requests = [registration(email, password=password) for email in (NEWCOMER, OWNER.email)]
    error = await _refusal(world.registration(), *requests)
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "password")
    assert await _user(world) is None


async def test_a_password_made_of_the_own_name_is_refused(world: AccountWorld) -> None:
    request = registration("ann.marguerite@people.test", password="ann.marguerite99")
    assert (await _refusal(world.registration(), request)).param == "password"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "new@people.test\r\nBcc: all@people.test"),
        ("email", "new@people.test, other@people.test"),
        ("email", "Ann <new@people.test>"),
        ("email", '"a b"@people.test'),
        ("email", "ann@people.test\0"),
        ("email", "ännchen@people.test"),
        ("email", "people.test"),
        ("name", "Ann\r\nBcc: all@people.test"),
        ("name", "a" * 101),
        ("name", "Ann\u202e"),
        ("organization_name", "a\nb"),
        ("organization_name", " initech"),
    ],
)
def test_what_could_become_a_header_is_refused(field: str, value: str) -> None:
    fields = {"email": NEWCOMER, "password": NEW_PASSWORD, "name": "", "organization_name": ""}
    with pytest.raises(HeadraceError) as caught:
        check_registration(**{**fields, field: value}, invitation_token="")
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, field)


@pytest.mark.parametrize("token", ["hri_", "x", INVITATION.reveal()[:-1], "hrp_" + "a" * 49])
def test_what_can_be_no_invitation_is_unknown(token: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        check_registration(
            email=NEWCOMER,
            password=NEW_PASSWORD,
            name="",
            organization_name="",
            invitation_token=token,
        )
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


def test_secrets_are_not_shown() -> None:
    text = repr(registration(password="canary", invitation_sha256=b"canary"))
    assert "canary" not in text


async def test_one_mailbox_gets_few_mails_and_one_after_a_while(world: AccountWorld) -> None:
    register = world.registration().register
    for _ in range(MAILBOX_POLICY.free_failures + 3):
        await register(HERE, registration(OWNER.email))
    # The wait begins with the first mail beyond the free ones.
    assert world.subjects(OWNER.email) == [ALREADY] * (MAILBOX_POLICY.free_failures + 1)
    world.clock.advance(60)
    await register(HERE, registration(OWNER.email))
    assert len(world.subjects(OWNER.email)) == MAILBOX_POLICY.free_failures + 2


async def test_one_address_may_ask_so_often_whoever_it_asks_for(world: AccountWorld) -> None:
    register = world.registration(BY_INVITATION).register
    for number in range(REQUEST_POLICY.free_failures + 1):
        with pytest.raises(HeadraceError) as caught:
            await register(HERE, replace(INVITED, email=f"new{number}@people.test"))
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    error = await _refusal(world.registration(), registration(), registration(OWNER.email))
    assert error.reason is Reason.REQUEST_RATE_LIMITED
    assert error.retry_after_seconds == 1
    elsewhere = replace(HERE, source_address="192.0.2.8")
    await world.registration().register(elsewhere, registration())
    # Logging in is counted apart.
    await world.log_in(OWNER.email)


async def test_mail_that_cannot_be_sent_loses_no_account(world: AccountWorld) -> None:
    broken = MemoryMailer()
    broken.is_down = True
    queue = MailQueue(broken, retry_seconds=())
    for email in (NEWCOMER, OWNER.email):
        await world.registration(mailer=queue).register(HERE, registration(email))
    await queue.drain()
    assert await _user(world) is not None
    await world.verification.resend(HERE, NEWCOMER)
    await world.verification.verify(HERE, world.token(), NEW_PASSWORD)
    await world.log_in(NEWCOMER, NEW_PASSWORD)


async def test_the_audit_hears_of_it_without_secrets(world: AccountWorld) -> None:
    await world.registration().register(HERE, registration())
    await world.registration().register(HERE, registration(OWNER.email))
    events = await _events(world)
    user = await _user(world)
    assert user is not None
    assert {(event.operation, event.actor.user_id) for event in events} == {
        ("user.register", user.user_id),
        ("organization.create", user.user_id),
        ("membership.create", user.user_id),
        ("registration_of_known_address", OWNER.user_id),
    }
    told = json.dumps([str(event) for event in events])
    for secret in (NEW_PASSWORD, world.token(0), str(user.password_hash)):
        assert secret not in told
