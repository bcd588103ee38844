"""Linking and unlinking: only in a session of one's own that holds, and never the last way in."""

from dataclasses import replace

import pytest

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.pending_login import s256_challenge
from headrace_auth.domain.principal import CredentialKind
from headrace_auth.testing.account_suite import turn_on_second_factor
from headrace_auth.testing.accounts import HERE, NEW_PASSWORD
from headrace_auth.testing.directory import ACME, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.federation import (
    ADA,
    OTHER_PROVIDER,
    PROVIDER,
    VERIFIER,
    FederationWorld,
)
from headrace_auth.use_cases.federation.federated_logins import Begun
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


@pytest.fixture
async def member(federation: FederationWorld) -> Caller:
    return await federation.accounts.log_in(MEMBER.email)


async def test_what_was_linked_logs_in_without_the_password_and_the_owner_is_told(
    federation: FederationWorld, member: Caller
) -> None:
    linked = await federation.link(member, replace(ADA, email_verified=False))
    assert (linked.user_id, linked.email) == (MEMBER.user_id, ADA.email)
    assert federation.accounts.subjects(MEMBER.email) == ["New way to log in"]
    result = await federation.log_in()
    assert result.principal.member.user_id == MEMBER.user_id
    [told] = [e for e in await federation.events() if e.operation == "linked_identity.create"]
    assert (told.actor.user_id, told.actor.organization_id) == (MEMBER.user_id, ACME)
    assert told.resource == f"linked_identity:{PROVIDER}:ada"


async def test_the_callback_alone_links_nothing(
    federation: FederationWorld, member: Caller
) -> None:
    await federation.login_code(by=member)
    assert await federation.linked(MEMBER.user_id) == []


async def test_a_link_that_an_attacker_began_takes_no_identity_of_a_victim(
    federation: FederationWorld,
) -> None:
    """The victim opens the attacker's link and agrees; its front end has no verifier for it."""
    attacker = await federation.accounts.log_in(OUTSIDER.email)
    url = await federation.start(by=attacker, verifier="a" * 43)
    landing = await federation.land(url, ADA)
    with pytest.raises(HeadraceError) as caught:
        await federation.exchange.exchange(HERE, landing.login_code, VERIFIER)
    assert caught.value.reason is Reason.LOGIN_FAILED
    assert await federation.linked(OUTSIDER.user_id) == []


async def test_a_token_without_the_password_begins_no_link(
    federation: FederationWorld, member: Caller
) -> None:
    for password, reason in (("", Reason.INVALID_FIELD), ("wrong", Reason.LOGIN_FAILED)):
        with pytest.raises(HeadraceError) as caught:
            await federation.start(by=member, password=password)
        assert caught.value.reason is reason
    for reason in [Reason.LOGIN_FAILED] * 5 + [Reason.LOGIN_THROTTLED]:
        with pytest.raises(HeadraceError) as caught:
            await federation.start(by=member, password="wrong")
        assert caught.value.reason is reason


async def test_where_a_second_factor_is_a_link_needs_its_code(
    federation: FederationWorld, member: Caller, clock: FakeClock
) -> None:
    app, _ = await turn_on_second_factor(federation.accounts, member)
    code = app.at(clock.now())
    for wrong, reason in (
        ("", Reason.SECOND_FACTOR_REQUIRED),
        ("000000", Reason.LOGIN_FAILED),
    ):
        with pytest.raises(HeadraceError) as caught:
            await federation.start(by=member, code=wrong)
        assert caught.value.reason is reason
    await federation.start(by=member, code=code)
    with pytest.raises(HeadraceError) as caught:
        await federation.start(by=member, code=code)
    assert caught.value.reason is Reason.LOGIN_FAILED


async def test_a_beginning_with_another_fault_uses_up_no_code(
    federation: FederationWorld, member: Caller, clock: FakeClock
) -> None:
    app, _ = await turn_on_second_factor(federation.accounts, member)
    code = app.at(clock.now())
    wanted = Begun(PROVIDER, "https://evil.test", s256_challenge(VERIFIER))
    with pytest.raises(HeadraceError) as caught:
        await federation.logins.start_link(member, wanted, password=PASSWORD, code=code)
    assert caught.value.param == "redirect_uri"
    await federation.start(by=member, code=code)


@pytest.mark.parametrize(("seconds", "begins"), [(0, True), (299, True), (300, False)])
async def test_who_has_no_password_links_only_soon_after_a_login(
    federation: FederationWorld, clock: FakeClock, seconds: int, begins: bool
) -> None:
    result = await federation.log_in()
    clock.advance(seconds)
    # To go on with a session, or to go elsewhere with it, is no login.
    renewed = await federation.accounts.sessions.refresh(HERE, result.refresh_token)
    ada = await federation.accounts.caller(renewed)
    moved = await federation.accounts.sessions.switch(ada, ada.identified().member.organization_id)
    for caller in (ada, await federation.accounts.caller(moved)):
        if begins:
            await federation.start(by=caller, password="")
            continue
        with pytest.raises(HeadraceError) as caught:
            await federation.start(by=caller, password="")
        assert caught.value.reason is Reason.PERMISSION_DENIED
        assert "log in again" in str(caught.value)


async def test_a_recent_login_stands_in_for_no_password_that_there_is(
    federation: FederationWorld,
) -> None:
    ada = await _without_password(federation)
    [link] = await federation.identities.list(ada)
    member = await federation.user(MEMBER.email)
    await federation.change_user(link.user_id, password_hash=member.password_hash)
    with pytest.raises(HeadraceError) as caught:
        await federation.start(by=ada, password="wrong")
    assert caught.value.reason is Reason.LOGIN_FAILED


async def test_linking_again_changes_nothing(federation: FederationWorld, member: Caller) -> None:
    first = await federation.link(member)
    assert await federation.link(member, replace(ADA, email="moved@new.test")) == first
    assert federation.accounts.subjects(MEMBER.email) == ["New way to log in"]


async def test_an_identity_belongs_to_one_account(
    federation: FederationWorld, member: Caller
) -> None:
    await federation.link(member)
    outsider = await federation.accounts.log_in(OUTSIDER.email)
    landing = await federation.land(await federation.start(by=outsider))
    assert (landing.refusal, landing.login_code) == (LoginRefusal.IDENTITY_TAKEN, "")
    assert (
        "federated_login_refused.identity_taken",
        f"linked_identity:{PROVIDER}:ada",
    ) in await federation.refusals()


async def test_an_identity_that_was_taken_since_the_callback_is_a_conflict(
    federation: FederationWorld, member: Caller
) -> None:
    code = await federation.login_code(by=member)
    await federation.link(await federation.accounts.log_in(OUTSIDER.email))
    with pytest.raises(HeadraceError) as caught:
        await federation.exchange.exchange(HERE, code, VERIFIER)
    assert caught.value.reason is Reason.ALREADY_EXISTS


@pytest.mark.parametrize("how", ["logout", "everywhere", "password", "disabled", "age"])
@pytest.mark.parametrize("when", ["before the callback", "before the exchange"])
async def test_nothing_is_linked_once_the_session_has_ended(
    federation: FederationWorld, member: Caller, clock: FakeClock, how: str, when: str
) -> None:
    if how == "age":
        clock.advance(30 * 86_400 - 30)
    url = await federation.start(by=member)
    landing = await federation.land(url) if when == "before the exchange" else None
    if how == "logout":
        await federation.accounts.sessions.end(member, "")
    elif how == "everywhere":
        await federation.accounts.sessions.end_all(member)
    elif how == "password":
        await federation.accounts.password_change.change(member, PASSWORD, NEW_PASSWORD)
    elif how == "disabled":
        await federation.change_user(MEMBER.user_id, disabled_at=clock.now())
    else:
        clock.advance(30)
    if landing is None:
        assert (await federation.land(url)).refusal is LoginRefusal.SESSION_ENDED
    else:
        with pytest.raises(HeadraceError) as caught:
            await federation.exchange.exchange(HERE, landing.login_code, VERIFIER)
        assert caught.value.reason is Reason.PERMISSION_DENIED
    assert await federation.linked(MEMBER.user_id) == []


async def test_a_key_and_an_applications_token_link_list_and_unlink_nothing(
    federation: FederationWorld, member: Caller
) -> None:
    principal = member.identified()
    key = replace(principal, credential_kind=CredentialKind.API_KEY)
    application = replace(principal, client_id="somebody")
    for other in (key, application):
        caller = replace(member, principal=other)
        for call in (
            federation.start(by=caller),
            federation.identities.list(caller),
            federation.unlink(caller, "ada"),
        ):
            with pytest.raises(HeadraceError) as caught:
                await call
            assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_nobody_links_for_nobody(federation: FederationWorld) -> None:
    with pytest.raises(HeadraceError) as caught:
        await federation.start(by=HERE)
    assert caught.value.reason is Reason.CREDENTIAL_MISSING


async def test_identities_are_listed_for_their_owner_alone(
    federation: FederationWorld, member: Caller, clock: FakeClock
) -> None:
    first = await federation.link(member)
    clock.advance(1)
    second = await federation.link(member, replace(ADA, subject="aa", provider=OTHER_PROVIDER))
    assert await federation.identities.list(member) == [first, second]
    outsider = await federation.accounts.log_in(OUTSIDER.email)
    assert await federation.identities.list(outsider) == []


async def test_unlinking_is_told_and_ends_that_login(
    federation: FederationWorld, member: Caller
) -> None:
    await federation.link(member, replace(ADA, email=MEMBER.email))
    await federation.unlink(member, "ada")
    assert await federation.identities.list(member) == []
    assert federation.accounts.subjects(MEMBER.email)[-1] == "Way to log in removed"
    landing = await federation.land(await federation.start(), replace(ADA, email=MEMBER.email))
    assert landing.refusal is LoginRefusal.PASSWORD_ACCOUNT
    assert "linked_identity.delete" in {e.operation for e in await federation.events()}


@pytest.mark.parametrize(
    ("provider", "subject"), [(PROVIDER, "bob"), (OTHER_PROVIDER, "ada"), ("", ""), ("\0", "'")]
)
async def test_what_is_not_ones_own_is_not_there(
    federation: FederationWorld, member: Caller, provider: str, subject: str
) -> None:
    owner = await federation.accounts.log_in(OWNER.email)
    await federation.link(owner, replace(ADA, subject="bob"))
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(member, subject, provider=provider)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    assert len(await federation.linked(OWNER.user_id)) == 1


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ({"password": ""}, Reason.INVALID_FIELD),
        ({"password": "wrong"}, Reason.LOGIN_FAILED),
        ({}, Reason.SECOND_FACTOR_REQUIRED),
        ({"code": "000000"}, Reason.LOGIN_FAILED),
    ],
)
async def test_a_token_alone_unlinks_nothing(
    federation: FederationWorld, member: Caller, proof: dict[str, str], reason: Reason
) -> None:
    await federation.link(member)
    await turn_on_second_factor(federation.accounts, member)
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(member, "ada", **proof)
    assert caught.value.reason is reason
    assert len(await federation.linked(MEMBER.user_id)) == 1


async def test_unlinking_what_is_not_there_uses_up_no_code(
    federation: FederationWorld, member: Caller, clock: FakeClock
) -> None:
    await federation.link(member)
    app, _ = await turn_on_second_factor(federation.accounts, member)
    code = app.at(clock.now())
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(member, "bob", code=code)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    await federation.unlink(member, "ada", code=code)


@pytest.mark.parametrize(("seconds", "unlinks"), [(299, True), (300, False)])
async def test_who_has_no_password_unlinks_only_soon_after_a_login(
    federation: FederationWorld, clock: FakeClock, seconds: int, unlinks: bool
) -> None:
    ada = await _without_password(federation)
    await federation.link(ada, replace(ADA, subject="ada2"))
    clock.advance(seconds)
    if unlinks:
        await federation.unlink(ada, "ada", password="")
        return
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(ada, "ada", password="")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert "log in again" in str(caught.value)


async def _without_password(federation: FederationWorld) -> Caller:
    result = await federation.log_in()
    assert isinstance(result, LoggedIn)
    return await federation.accounts.caller(result)


async def test_the_last_way_in_stays(federation: FederationWorld) -> None:
    ada = await _without_password(federation)
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(ada, "ada")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    await federation.link(ada, replace(ADA, subject="ada2"))
    await federation.unlink(ada, "ada")
    with pytest.raises(HeadraceError):
        await federation.unlink(ada, "ada2")


async def test_an_identity_of_a_provider_that_is_gone_is_no_way_in(
    federation: FederationWorld,
) -> None:
    ada = await _without_password(federation)
    await federation.link(ada, replace(ADA, provider="gone"))
    with pytest.raises(HeadraceError) as caught:
        await federation.unlink(ada, "ada")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    await federation.unlink(ada, "ada", provider="gone")
