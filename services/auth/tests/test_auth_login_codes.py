"""Login codes: who may exchange them, once, what comes of it, and the second factor."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pyotp import TOTP

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.directory import Invitation
from headrace_auth.domain.login_refusals import (
    OF_PROVIDER_ERROR,
    OF_REASON,
    LoginRefusal,
    login_refused,
)
from headrace_auth.domain.opaque_secrets import ENTROPY_BYTES, TokenPrefix
from headrace_auth.domain.principal import Role
from headrace_auth.domain.proven_login import CODE_SECONDS, MAXIMUM_TRIES, SECOND_FACTOR_SECONDS
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.testing.account_suite import invite, turn_on_second_factor
from headrace_auth.testing.accounts import HERE
from headrace_auth.testing.directory import ACME, ADMIN, GLOBEX, MEMBER, OUTSIDER, OWNER
from headrace_auth.testing.federation import (
    ADA,
    PROVIDER,
    VERIFIER,
    FederationWorld,
    federation_world,
)
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

AS_MEMBER = replace(ADA, email=MEMBER.email)


async def refused(
    world: FederationWorld, code: str, verifier: str = VERIFIER, **more: str
) -> HeadraceError:
    """How an exchange fails."""
    with pytest.raises(HeadraceError) as caught:
        await world.exchange.exchange(HERE, code, verifier, **more)
    assert not code or code not in caught.value.message
    return caught.value


async def linked_member(world: FederationWorld) -> None:
    """MEMBER, who has a password too, can log in as ADA from now on."""
    await world.link(await world.accounts.log_in(MEMBER.email))


async def test_a_newcomer_gets_an_account_an_organisation_and_a_session(
    federation: FederationWorld,
) -> None:
    result = await federation.log_in()
    user = await federation.user(ADA.email)
    assert (user.name, user.password_hash) == ("Ada Lovelace", None)
    assert user.email_verified_at is not None
    [place] = await federation.places(user.user_id)
    assert place.role is Role.OWNER
    principal = await federation.accounts.resolver.resolve(result.access_token)
    assert principal == result.principal
    assert principal.member.organization_id == place.organization_id
    assert {event.operation for event in await federation.events()} == {
        "user.register",
        "organization.create",
        "membership.create",
        "linked_identity.create",
        "session.create",
    }
    assert {event.actor.user_id for event in await federation.events()} == {user.user_id}


async def test_the_next_login_is_the_same_account_whatever_its_address_is_by_now(
    federation: FederationWorld,
) -> None:
    first = await federation.log_in()
    moved = replace(ADA, email=OWNER.email, email_verified=False)
    second = await federation.log_in(moved)
    assert second.principal.member.user_id == first.principal.member.user_id
    assert await federation.counts() == (8, 1)


async def test_another_subject_is_somebody_else(
    federation: FederationWorld,
) -> None:
    first = await federation.log_in()
    other = await federation.log_in(replace(ADA, subject="ada2", email="ada2@new.test"))
    assert other.principal.member.user_id != first.principal.member.user_id


async def test_an_account_without_password_is_linked_by_its_verified_address_and_told(
    federation: FederationWorld,
) -> None:
    await federation.change_user(MEMBER.user_id, password_hash=None)
    result = await federation.log_in(AS_MEMBER)
    assert result.principal.member.user_id == MEMBER.user_id
    [link] = await federation.linked(MEMBER.user_id)
    assert (link.provider, link.subject, link.email) == (PROVIDER, "ada", MEMBER.email)
    assert federation.accounts.subjects(MEMBER.email) == ["New way to log in"]


async def test_the_organisation_can_be_chosen_among_ones_own(federation: FederationWorld) -> None:
    await linked_member(federation)
    code = await federation.login_code()
    result = await federation.exchange.exchange(HERE, code, VERIFIER, organization_id=GLOBEX)
    assert isinstance(result, LoggedIn)
    assert result.principal.member.organization_id == GLOBEX
    await federation.link(
        await federation.accounts.log_in(OUTSIDER.email), replace(ADA, subject="o")
    )
    code = await federation.login_code(replace(ADA, subject="o"))
    error = await refused(federation, code, organization_id=ACME)
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "organization_id")


async def test_who_was_invited_joins_also_where_nobody_else_may_register(
    federation: FederationWorld,
) -> None:
    world = federation_world(federation.accounts, RegistrationMode.INVITATION)
    await invite(world.accounts, "ada@new.test")
    result = await world.log_in()
    assert result.principal.member.organization_id == ACME
    [place] = await world.places(result.principal.member.user_id)
    assert place.role is Role.AUDITOR
    async with world.accounts.store.begin() as transaction:
        [invitation] = await transaction.of(Invitation).find(email="ada@new.test")
    assert invitation.accepted_at is not None


async def test_where_anybody_may_register_an_invitation_is_accepted_by_its_token_only(
    federation: FederationWorld,
) -> None:
    await invite(federation.accounts, "ada@new.test")
    result = await federation.log_in()
    member = result.principal.member
    assert (member.role, member.organization_id == ACME) == (Role.OWNER, False)
    async with federation.accounts.store.begin() as transaction:
        [invitation] = await transaction.of(Invitation).find(email="ada@new.test")
    assert invitation.accepted_at is None


async def test_an_invitation_does_not_open_what_is_closed(federation: FederationWorld) -> None:
    world = federation_world(federation.accounts, RegistrationMode.CLOSED)
    await invite(world.accounts, "ada@new.test")
    landing = await world.land(await world.start())
    assert landing.refusal is LoginRefusal.REGISTRATION_CLOSED


@pytest.mark.parametrize("spoilt", ["expired", "revoked", "inviter", "address", "unverified"])
async def test_only_a_live_invitation_for_a_verified_address_counts(
    federation: FederationWorld, spoilt: str
) -> None:
    world = federation_world(federation.accounts, RegistrationMode.INVITATION)
    now = world.accounts.clock.now()
    fields: dict[str, dict[str, Any]] = {
        "expired": {"expires_at": now - timedelta(seconds=1)},
        "revoked": {"revoked_at": now},
        "inviter": {"created_by": MEMBER.user_id},
    }
    email = "eve@new.test" if spoilt == "address" else "ada@new.test"
    await invite(world.accounts, email, **fields.get(spoilt, {}))
    identity = replace(ADA, email_verified=spoilt != "unverified")
    landing = await world.land(await world.start(), identity)
    unverified = spoilt == "unverified"
    assert landing.refusal is (
        LoginRefusal.EMAIL_NOT_VERIFIED if unverified else LoginRefusal.REGISTRATION_CLOSED
    )


async def test_of_several_invitations_one_that_is_good_is_taken(
    federation: FederationWorld,
) -> None:
    world = federation_world(federation.accounts, RegistrationMode.INVITATION)
    await invite(world.accounts, "ada@new.test", created_by=MEMBER.user_id)
    second = opaque_secrets.mint(TokenPrefix.INVITATION, b"j" * ENTROPY_BYTES)
    await invite(
        world.accounts,
        "ada@new.test",
        invitation_id="01900000-0000-7000-8000-0000000000f2",
        token_sha256=second.sha256,
        created_by=ADMIN.user_id,
        role=Role.MEMBER,
    )
    result = await world.log_in()
    assert result.principal.member.role is Role.MEMBER


async def test_a_code_is_good_once(federation: FederationWorld) -> None:
    code = await federation.login_code()
    await federation.exchange.exchange(HERE, code, VERIFIER)
    assert (await refused(federation, code)).reason is Reason.LOGIN_FAILED


async def test_a_code_lives_a_minute(federation: FederationWorld, clock: FakeClock) -> None:
    code = await federation.login_code()
    late = await federation.login_code()
    clock.advance(CODE_SECONDS - 1)
    await federation.exchange.exchange(HERE, code, VERIFIER)
    clock.advance(1)
    assert (await refused(federation, late)).reason is Reason.LOGIN_FAILED


@pytest.mark.parametrize("verifier", ["", "w" * 43, VERIFIER + "v", "v" * 42, "\N{SNOWMAN}" * 43])
async def test_a_wrong_verifier_burns_the_code_changes_nothing_and_is_told(
    federation: FederationWorld, verifier: str
) -> None:
    before, code = await federation.counts(), await federation.login_code()
    error = await refused(federation, code, verifier)
    assert (error.reason, error.message) == (Reason.LOGIN_FAILED, "The login code is not valid.")
    assert await federation.refusals() == [
        ("federated_login_refused.wrong_verifier", f"linked_identity:{PROVIDER}:ada")
    ]
    again = await refused(federation, code)
    assert (again.reason, again.message) == (error.reason, error.message)
    assert await federation.counts() == before


@pytest.mark.parametrize(
    "code",
    [
        "",
        "hrl_",
        "hrl_" + "0" * 49,
        opaque_secrets.mint(TokenPrefix.LOGIN_CODE, b"x" * ENTROPY_BYTES).reveal(),
        opaque_secrets.mint(TokenPrefix.REFRESH, b"x" * ENTROPY_BYTES).reveal(),
        "\N{SNOWMAN}",
    ],
)
async def test_what_is_no_code_reads_like_a_used_one(
    federation: FederationWorld, code: str
) -> None:
    error = await refused(federation, code)
    assert (error.reason, error.message) == (Reason.LOGIN_FAILED, "The login code is not valid.")


async def test_a_login_that_an_attacker_began_is_worthless_in_the_victims_front_end(
    federation: FederationWorld,
) -> None:
    """Login CSRF: the attacker logs in as itself and has the victim's browser open the landing."""
    attackers_url = await federation.start(verifier="a" * 43)
    landing = await federation.land(attackers_url, replace(ADA, subject="attacker"))
    victims_verifier = VERIFIER
    error = await refused(federation, landing.login_code, victims_verifier)
    assert error.reason is Reason.LOGIN_FAILED
    # Nor does the attacker get anything any more.
    assert (await refused(federation, landing.login_code, "a" * 43)).reason is Reason.LOGIN_FAILED


async def test_who_is_disabled_between_callback_and_exchange_is_refused(
    federation: FederationWorld,
) -> None:
    await linked_member(federation)
    code = await federation.login_code()
    await federation.change_user(MEMBER.user_id, disabled_at=federation.accounts.clock.now())
    assert (await refused(federation, code)).reason is Reason.PERMISSION_DENIED
    assert (
        "federated_login_refused.account_disabled",
        f"linked_identity:{PROVIDER}:ada",
    ) in await federation.refusals()


async def test_a_password_that_was_set_meanwhile_keeps_the_link_out(
    federation: FederationWorld,
) -> None:
    known = await federation.user(MEMBER.email)
    await federation.change_user(MEMBER.user_id, password_hash=None)
    code = await federation.login_code(AS_MEMBER)
    await federation.change_user(MEMBER.user_id, password_hash=known.password_hash)
    assert (await refused(federation, code)).reason is Reason.PERMISSION_DENIED
    assert await federation.linked(MEMBER.user_id) == []


async def _with_second_factor(world: FederationWorld) -> TOTP:
    await linked_member(world)
    app, _ = await turn_on_second_factor(world.accounts, await world.accounts.log_in(MEMBER.email))
    return app


async def test_a_second_factor_is_asked_for_and_the_code_stays_good(
    federation: FederationWorld, clock: FakeClock
) -> None:
    app = await _with_second_factor(federation)
    code = await federation.login_code()
    error = await refused(federation, code)
    assert (error.reason, error.param) == (Reason.SECOND_FACTOR_REQUIRED, "second_factor_code")
    clock.advance(SECOND_FACTOR_SECONDS - 1)
    result = await federation.exchange.exchange(
        HERE, code, VERIFIER, second_factor_code=app.at(clock.now())
    )
    assert isinstance(result, LoggedIn)
    assert result.principal.member.user_id == MEMBER.user_id
    assert (await refused(federation, code)).reason is Reason.LOGIN_FAILED


async def test_a_code_does_not_wait_for_the_second_factor_for_ever(
    federation: FederationWorld, clock: FakeClock
) -> None:
    app = await _with_second_factor(federation)
    code = await federation.login_code()
    await refused(federation, code)
    clock.advance(200)
    await refused(federation, code)
    clock.advance(SECOND_FACTOR_SECONDS - 200)
    right = app.at(clock.now())
    error = await refused(federation, code, second_factor_code=right)
    assert error.message == "The login code is not valid."


async def test_a_wrong_second_factor_may_be_tried_again_a_few_times(
    federation: FederationWorld, clock: FakeClock
) -> None:
    app = await _with_second_factor(federation)
    code = await federation.login_code()
    for _ in range(MAXIMUM_TRIES):
        error = await refused(federation, code, second_factor_code="000000")
        assert error.message == "The code of the second factor is wrong."
    right = app.at(clock.now())
    error = await refused(federation, code, second_factor_code=right)
    assert error.message == "The login code is not valid."


async def test_with_another_verifier_a_second_factor_helps_nothing(
    federation: FederationWorld, clock: FakeClock
) -> None:
    app = await _with_second_factor(federation)
    code = await federation.login_code()
    await refused(federation, code)
    error = await refused(federation, code, "w" * 43, second_factor_code=app.at(clock.now()))
    assert error.message == "The login code is not valid."


async def test_guesses_at_the_second_factor_are_throttled_over_all_logins(
    federation: FederationWorld, clock: FakeClock
) -> None:
    app = await _with_second_factor(federation)
    for _ in range(6):
        code = await federation.login_code()
        error = await refused(federation, code, second_factor_code="000000")
        assert error.reason is Reason.LOGIN_FAILED
    code = await federation.login_code()
    error = await refused(federation, code, second_factor_code=app.at(clock.now()))
    assert error.reason is Reason.LOGIN_THROTTLED
    clock.advance(2)
    again = await federation.exchange.exchange(
        HERE, code, VERIFIER, second_factor_code=app.at(clock.now())
    )
    assert isinstance(again, LoggedIn)


async def test_asking_for_the_second_factor_counts_as_no_failure(
    federation: FederationWorld,
) -> None:
    await _with_second_factor(federation)
    for _ in range(20):
        error = await refused(federation, await federation.login_code())
        assert error.reason is Reason.SECOND_FACTOR_REQUIRED


async def test_a_recovery_code_will_do(federation: FederationWorld) -> None:
    await linked_member(federation)
    caller = await federation.accounts.log_in(MEMBER.email)
    _, recovery_codes = await turn_on_second_factor(federation.accounts, caller)
    code = await federation.login_code()
    result = await federation.exchange.exchange(
        HERE, code, VERIFIER, second_factor_code=recovery_codes[0]
    )
    assert isinstance(result, LoggedIn)


def test_every_refusal_that_an_exchange_can_meet_has_its_sentence() -> None:
    elsewhere = {*OF_REASON.values(), *OF_PROVIDER_ERROR.values()}
    met = set(LoginRefusal) - elsewhere
    assert len({login_refused(refusal).message for refusal in met} - {""}) == len(met) > 0
