"""Forgotten passwords: one mail, one token, and everything that the old password opened ends."""

from dataclasses import replace

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.directory import Membership, User
from headrace_auth.domain.revocation_ids import user_revocation
from headrace_auth.domain.sessions import OneTimeToken, Session
from headrace_auth.testing.account_suite import (
    NEWCOMER,
    registration,
    turn_on_second_factor,
)
from headrace_auth.testing.accounts import BREACHED, HERE, NEW_PASSWORD, AccountWorld
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OWNER, PASSWORD
from headrace_auth.use_cases.sessions.open_sessions import home_of
from headrace_common.errors import HeadraceError, Reason

RESET, CHANGED = "Set a new password", "Your password was changed"


async def _token(world: AccountWorld, email: str = MEMBER.email) -> str:
    await world.password_reset.request(HERE, email)
    return world.token()


async def _expect_refusal(
    world: AccountWorld, token: str, password: str = NEW_PASSWORD, param: str = "token"
) -> str:
    with pytest.raises(HeadraceError) as caught:
        await world.password_reset.reset(HERE, token, password)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)
    return caught.value.message


async def _expect_failed_login(world: AccountWorld, email: str, password: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(email, password)
    assert caught.value.reason is Reason.LOGIN_FAILED


async def test_a_token_sets_a_new_password_and_logs_in_nobody(world: AccountWorld) -> None:
    token = await _token(world)
    await world.password_reset.reset(HERE, token, NEW_PASSWORD)
    await _expect_failed_login(world, MEMBER.email, PASSWORD)
    await world.log_in(MEMBER.email, NEW_PASSWORD)
    assert world.subjects(MEMBER.email) == [RESET, CHANGED]


async def test_all_sessions_and_tokens_end_in_all_organisations(world: AccountWorld) -> None:
    results = [
        await world.login.log_in(HERE, MEMBER.email, PASSWORD, organization_id=place)
        for place in (ACME, GLOBEX)
    ]
    await world.password_reset.reset(HERE, await _token(world), NEW_PASSWORD)
    for result in results:
        with pytest.raises(HeadraceError) as caught:
            await world.resolver.resolve(result.access_token)
        assert caught.value.reason is Reason.CREDENTIAL_INVALID
        with pytest.raises(HeadraceError) as caught:
            await world.sessions.refresh(HERE, result.refresh_token)
        assert caught.value.reason is Reason.CREDENTIAL_INVALID
    old = user_revocation(MEMBER.user_id, 1)
    assert {(ACME, old), (GLOBEX, old)} <= set(world.announcer.announced)


async def test_a_token_works_once_and_voids_its_likes(world: AccountWorld) -> None:
    first, second = await _token(world), await _token(world)
    await world.password_reset.reset(HERE, first, NEW_PASSWORD)
    assert len({await _expect_refusal(world, each) for each in (first, second)}) == 1


async def test_a_token_works_for_an_hour(world: AccountWorld) -> None:
    token = await _token(world)
    world.clock.advance(3600)
    await _expect_refusal(world, token)
    token = await _token(world)
    world.clock.advance(3599)
    await world.password_reset.reset(HERE, token, NEW_PASSWORD)


@pytest.mark.parametrize("password", ["short", BREACHED, "member@acme.test1"])
async def test_a_bad_password_leaves_the_token_good(world: AccountWorld, password: str) -> None:
    token = await _token(world)
    await _expect_refusal(world, token, password, "new_password")
    await world.log_in(MEMBER.email)
    await world.password_reset.reset(HERE, token, NEW_PASSWORD)


async def test_who_brings_no_token_has_nothing_hashed(world: AccountWorld) -> None:
    await _expect_refusal(world, "hrp_nonsense", "short")


async def test_the_second_factor_is_still_needed(world: AccountWorld) -> None:
    app, _ = await turn_on_second_factor(world, await world.log_in(MEMBER.email))
    await world.password_reset.reset(HERE, await _token(world), NEW_PASSWORD)
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(MEMBER.email, NEW_PASSWORD)
    assert caught.value.reason is Reason.SECOND_FACTOR_REQUIRED
    await world.log_in(MEMBER.email, NEW_PASSWORD, app.at(world.clock.now()))


async def test_reading_the_mail_proves_the_address(world: AccountWorld) -> None:
    await world.registration().register(HERE, registration(password="somebody else's words"))
    await world.password_reset.reset(HERE, await _token(world, NEWCOMER), NEW_PASSWORD)
    # Whoever registered with an address that is not theirs has nothing of it.
    await _expect_failed_login(world, NEWCOMER, "somebody else's words")
    await world.log_in(NEWCOMER, NEW_PASSWORD)


async def test_whoever_registered_keeps_nothing_of_an_account_that_is_reset(
    world: AccountWorld,
) -> None:
    squatted = "somebody else's words"
    await world.registration().register(HERE, registration(password=squatted))
    verify = world.token()
    async with world.acts.begin(HERE) as act:  # which nobody could have
        [user] = await act.of(User).find(email=NEWCOMER)
        opened = await world.identity.opener.open(act, user, await home_of(act, user, ""))
    tokens = await world.identity.opener.tokens(opened)
    await world.password_reset.reset(HERE, await _token(world, NEWCOMER), NEW_PASSWORD)
    async with world.store.begin() as transaction:
        [user] = await transaction.of(User).find(email=NEWCOMER)
        assert user.email_verified_at == world.clock.now()
        assert user.token_version == 2
        assert [each.ended_at for each in await transaction.of(Session).find()] != [None]
        left = await transaction.of(OneTimeToken).find(user_id=user.user_id)
    assert left == []
    for password in (squatted, NEW_PASSWORD):
        with pytest.raises(HeadraceError) as caught:
            await world.verification.verify(HERE, verify, password)
        assert caught.value.param == "token"
    for call in (
        world.resolver.resolve(tokens.access_token),
        world.sessions.refresh(HERE, tokens.refresh_token),
    ):
        with pytest.raises(HeadraceError) as caught:
            await call
        assert caught.value.reason is Reason.CREDENTIAL_INVALID


async def test_who_was_locked_out_by_strangers_gets_in_again(world: AccountWorld) -> None:
    for _ in range(6):
        await _expect_failed_login(world, MEMBER.email, "wrong")
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(MEMBER.email)
    assert caught.value.reason is Reason.LOGIN_THROTTLED
    await world.password_reset.reset(HERE, await _token(world), NEW_PASSWORD)
    await world.log_in(MEMBER.email, NEW_PASSWORD)


async def test_an_unknown_address_hears_and_tells_nothing(world: AccountWorld) -> None:
    await world.password_reset.request(HERE, "nobody@people.test")
    assert world.mailer.sent == []


async def test_who_is_disabled_cannot_reset(world: AccountWorld) -> None:
    token = await _token(world)
    async with world.store.begin() as transaction:
        user = await transaction.of(User).get(MEMBER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, disabled_at=world.clock.now()))
    await _expect_refusal(world, token)
    await world.password_reset.request(HERE, MEMBER.email)
    assert world.subjects(MEMBER.email) == [RESET]


async def test_an_account_without_password_gets_one(world: AccountWorld) -> None:
    async with world.store.begin() as transaction:
        user = await transaction.of(User).get(MEMBER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, password_hash=None))
    await world.password_reset.reset(HERE, await _token(world), NEW_PASSWORD)
    await world.log_in(MEMBER.email, NEW_PASSWORD)


async def test_roles_and_places_stay(world: AccountWorld) -> None:
    async with world.store.begin() as transaction:
        before = await transaction.of(Membership).find(user_id=MEMBER.user_id)
    await world.password_reset.reset(HERE, await _token(world), NEW_PASSWORD)
    async with world.store.begin() as transaction:
        assert await transaction.of(Membership).find(user_id=MEMBER.user_id) == before


async def test_the_audit_hears_of_it_without_secrets(world: AccountWorld) -> None:
    token = await _token(world, OWNER.email)
    await world.password_reset.reset(HERE, token, NEW_PASSWORD)
    async with world.store.begin() as transaction:
        events = [
            audit_pb2.AuditEvent.FromString(event.payload)
            for event in await transaction.of(OutboxEvent).find()
        ]
    assert {event.operation for event in events} == {
        "password_reset_requested",
        "user.end_tokens",
        "user.set_password",
    }
    told = "".join(map(str, events))
    assert token not in told
    assert "argon2" not in told
    assert NEW_PASSWORD not in told
