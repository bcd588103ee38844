"""A provider's person and an account that somebody made with the same address, never confirmed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, LinkedIdentity, Membership, User
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.principal import Role
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.domain.revocation_ids import user_revocation
from headrace_auth.domain.sessions import OneTimeToken, SecondFactor
from headrace_auth.testing.account_suite import invite, registration
from headrace_auth.testing.accounts import HERE, NEW_PASSWORD
from headrace_auth.testing.directory import ACME, MEMBER, SERVICE
from headrace_auth.testing.federation import (
    ADA,
    PROVIDER,
    VERIFIER,
    FederationWorld,
    federation_world,
)
from headrace_auth.use_cases.sessions.open_sessions import home_of
from headrace_common.errors import HeadraceError, Reason

EMAIL, SQUATTED = str(ADA.email), "the squatter's password"


@pytest.fixture
async def squatter(federation: FederationWorld) -> User:
    """The account that a stranger registered with ADA's address."""
    request = registration(
        EMAIL, password=SQUATTED, name="Mallory", organization_name="Mallory's trap"
    )
    await federation.accounts.registration().register(HERE, request)
    return await federation.user(EMAIL)


async def _reason(call: Any) -> tuple[Reason, str | None]:
    with pytest.raises(HeadraceError) as caught:
        await call
    return caught.value.reason, caught.value.param


async def test_the_reader_of_the_address_gets_the_account_for_itself(
    federation: FederationWorld, squatter: User
) -> None:
    accounts = federation.accounts
    verify = accounts.token()
    await accounts.password_reset.request(HERE, EMAIL)
    reset = accounts.token()
    result = await federation.log_in()
    assert result.principal.member.user_id == squatter.user_id
    user = await federation.user(EMAIL)
    assert (user.password_hash, user.name) == (None, ADA.name)
    assert (user.email_verified_at, user.token_version) == (accounts.clock.now(), 2)
    assert await _reason(accounts.log_in(EMAIL, SQUATTED)) == (Reason.LOGIN_FAILED, None)
    bad_token = (Reason.INVALID_FIELD, "token")
    assert await _reason(accounts.verification.verify(HERE, verify, SQUATTED)) == bad_token
    assert await _reason(accounts.password_reset.reset(HERE, reset, NEW_PASSWORD)) == bad_token
    [link] = await federation.linked(user.user_id)
    assert (link.provider, link.subject) == (PROVIDER, ADA.subject)
    [place] = await federation.places(user.user_id)
    assert place.role is Role.OWNER
    assert accounts.subjects(EMAIL)[-1] == "Your account is confirmed"
    again = await federation.log_in()
    assert again.principal.member.user_id == squatter.user_id


async def test_whatever_was_opened_for_the_account_ends(
    federation: FederationWorld, squatter: User
) -> None:
    accounts = federation.accounts
    async with accounts.acts.begin(HERE) as act:  # which nobody could have
        home = await home_of(act, squatter, "")
        opened = await accounts.identity.opener.open(act, squatter, home)
    tokens = await accounts.identity.opener.tokens(opened)
    await federation.log_in()
    gone = (Reason.CREDENTIAL_INVALID, None)
    assert await _reason(accounts.resolver.resolve(tokens.access_token)) == gone
    assert await _reason(accounts.sessions.refresh(HERE, tokens.refresh_token)) == gone
    assert (home, user_revocation(squatter.user_id, 1)) in accounts.announcer.announced


async def test_the_audit_hears_what_it_was_and_what_it_is(
    federation: FederationWorld, squatter: User
) -> None:
    known = {event.event_id for event in await federation.events()}
    await federation.log_in()
    events = [each for each in await federation.events() if each.event_id not in known]
    assert sorted(event.operation for event in events) == [
        "linked_identity.create",
        "session.create",
        "user.end_tokens",
        "user.take_over",
    ]
    [taken] = [event for event in events if event.operation == "user.take_over"]
    assert taken.resource == f"user:{squatter.user_id}"
    assert taken.actor.user_id == squatter.user_id
    before, after = (
        json.loads(text) for text in (taken.change.before_json, taken.change.after_json)
    )
    assert (before["name"], before["email_verified_at"]) == ("Mallory", None)
    assert (after["name"], bool(after["email_verified_at"])) == (ADA.name, True)
    assert "argon2" not in "".join(map(str, events))


@pytest.mark.parametrize("mode", list(RegistrationMode))
async def test_who_was_invited_is_a_member_of_nobody_without_saying_so(
    federation: FederationWorld, squatter: User, mode: RegistrationMode
) -> None:
    await invite(federation.accounts, EMAIL)
    result = await federation_world(federation.accounts, mode).log_in()
    assert result.principal.member.user_id == squatter.user_id
    assert ACME not in [each.organization_id for each in await federation.places(squatter.user_id)]
    async with federation.accounts.store.begin() as transaction:
        [invitation] = await transaction.of(Invitation).find(email=EMAIL)
    assert invitation.accepted_at is None


def _more(kind: str, user: User, here: str, now: Any) -> Any:
    """What registering does not give."""
    return {
        "another organisation": Membership(user.user_id, ACME, Role.MEMBER, now),
        "another person": Membership(MEMBER.user_id, here, Role.OWNER, now),
        "a service account": Membership(SERVICE.user_id, here, Role.SERVICE, now),
        "an invitation": Invitation(
            "01900000-0000-7000-8000-0000000000f7",
            here,
            "mallory@else.test",
            Role.OWNER,
            b"t" * 32,
            MEMBER.user_id,
            now,
            now.replace(year=now.year + 1),
        ),
        "an identity": LinkedIdentity(PROVIDER, "mallory", user.user_id, "m@else.test", now),
        "a second factor": SecondFactor(user.user_id, b"sealed", now),
        "a key": ApiKey(
            api_key_id="01900000-0000-7000-8000-0000000000f8",
            organization_id=here,
            created_by=user.user_id,
            name="left behind",
            scopes=frozenset(),
            created_at=now,
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "another organisation",
        "another person",
        "a service account",
        "an invitation",
        "an identity",
        "a second factor",
        "a key",
    ],
)
async def test_an_account_that_has_more_than_registering_gives_is_not_taken_over(
    federation: FederationWorld, squatter: User, kind: str
) -> None:
    [place] = await federation.places(squatter.user_id)
    now = federation.accounts.clock.now()
    async with federation.accounts.store.begin() as transaction:
        record = _more(kind, squatter, place.organization_id, now)
        await transaction.of(type(record)).add(record)
    landing = await federation.land(await federation.start())
    assert landing.refusal is LoginRefusal.ACCOUNT_NOT_VERIFIED
    assert await federation.user(EMAIL) == squatter


@pytest.mark.parametrize("role", [None, Role.MEMBER])
async def test_who_does_not_own_an_organisation_did_not_register_like_that(
    federation: FederationWorld, squatter: User, role: Role | None
) -> None:
    [place] = await federation.places(squatter.user_id)
    async with federation.accounts.store.begin() as transaction:
        memberships = transaction.of(Membership)
        if role is None:
            await memberships.remove(place.user_id, place.organization_id)
        else:
            await memberships.put(replace(place, role=role))
    landing = await federation.land(await federation.start())
    assert landing.refusal is LoginRefusal.ACCOUNT_NOT_VERIFIED


async def test_a_disabled_account_stays_disabled(
    federation: FederationWorld, squatter: User
) -> None:
    now = federation.accounts.clock.now()
    await federation.change_user(squatter.user_id, disabled_at=now)
    landing = await federation.land(await federation.start())
    assert landing.refusal is LoginRefusal.ACCOUNT_DISABLED


async def test_an_address_that_the_provider_has_not_verified_takes_nothing(
    federation: FederationWorld, squatter: User
) -> None:
    landing = await federation.land(await federation.start(), replace(ADA, email_verified=False))
    assert landing.refusal is LoginRefusal.EMAIL_NOT_VERIFIED
    assert await federation.user(EMAIL) == squatter


async def test_who_confirms_before_the_exchange_keeps_the_account(
    federation: FederationWorld, squatter: User
) -> None:
    accounts = federation.accounts
    code = await federation.login_code()
    await accounts.verification.verify(HERE, accounts.token(), SQUATTED)
    exchange = federation.exchange.exchange(HERE, code, VERIFIER)
    assert await _reason(exchange) == (Reason.PERMISSION_DENIED, None)
    assert await federation.linked(squatter.user_id) == []
    assert isinstance(await accounts.log_in(EMAIL, SQUATTED), Caller)


async def test_nothing_happens_before_the_exchange(
    federation: FederationWorld, squatter: User
) -> None:
    await federation.login_code()
    assert await federation.user(EMAIL) == squatter
    async with federation.accounts.store.begin() as transaction:
        assert len(await transaction.of(OneTimeToken).find()) == 1
