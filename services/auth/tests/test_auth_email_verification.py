"""Proving an address: once, in time, and without telling anybody who has an account."""

from dataclasses import replace

import pytest

from headrace_auth.domain import one_time_tokens
from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import ASKING_POLICY, MAILBOX_POLICY
from headrace_auth.domain.one_time_tokens import ENTROPY_BYTES, TokenPrefix
from headrace_auth.domain.sessions import OneTimeToken
from headrace_auth.testing.account_suite import NEWCOMER, registration
from headrace_auth.testing.accounts import HERE, NEW_PASSWORD, AccountWorld
from headrace_auth.testing.directory import OWNER, SERVICE
from headrace_common.errors import HeadraceError, Reason

VERIFY = "Confirm your e-mail address"
DAY = 86_400


@pytest.fixture
async def token(world: AccountWorld) -> str:
    """Of NEWCOMER, who has just registered."""
    await world.registration().register(HERE, registration())
    return world.token()


async def _refused(world: AccountWorld, token: str) -> str:
    with pytest.raises(HeadraceError) as caught:
        await world.verification.verify(HERE, token)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "token")
    return caught.value.message


async def test_a_token_works_once(world: AccountWorld, token: str) -> None:
    await world.verification.verify(HERE, token)
    await world.log_in(NEWCOMER, NEW_PASSWORD)
    await _refused(world, token)


async def test_a_token_works_for_a_day(world: AccountWorld, token: str) -> None:
    world.clock.advance(DAY - 1)
    await world.verification.resend(HERE, NEWCOMER)
    later = world.token()
    world.clock.advance(1)
    await _refused(world, token)
    await world.verification.verify(HERE, later)


async def test_with_one_token_the_others_are_used_up(world: AccountWorld, token: str) -> None:
    await world.verification.resend(HERE, NEWCOMER)
    await world.verification.verify(HERE, token)
    await _refused(world, world.token())
    async with world.store.begin() as transaction:
        assert await transaction.of(OneTimeToken).find() == []


async def test_whatever_is_wrong_with_a_token_is_said_in_one_way(
    world: AccountWorld, token: str
) -> None:
    await world.password_reset.request(HERE, NEWCOMER)
    reset = world.token()
    unknown = one_time_tokens.mint(TokenPrefix.EMAIL_VERIFICATION, b"u" * ENTROPY_BYTES).reveal()
    # The digest covers the prefix: the token to reset cannot be passed off as one to verify.
    relabelled = "hrv" + reset.removeprefix("hrp")
    wrong = ("", "x", token[:-1], token + "x", token.swapcase(), unknown, reset, relabelled, "é")
    assert len({await _refused(world, each) for each in wrong}) == 1
    await world.verification.verify(HERE, token)


@pytest.mark.parametrize("email", [OWNER.email, "nobody@people.test"])
async def test_who_needs_no_token_gets_none_and_the_caller_hears_nothing(
    world: AccountWorld, email: str
) -> None:
    await world.verification.resend(HERE, email)
    assert world.mailer.sent == []


async def test_who_is_disabled_gets_no_token(world: AccountWorld, token: str) -> None:
    async with world.store.begin() as transaction:
        [user] = await transaction.of(User).find(email=NEWCOMER)
        await transaction.of(User).put(replace(user, disabled_at=world.clock.now()))
    await world.verification.resend(HERE, NEWCOMER)
    assert world.subjects(NEWCOMER) == [VERIFY]
    assert world.token() == token


async def test_case_and_outer_spaces_do_not_matter(world: AccountWorld, token: str) -> None:
    await world.verification.resend(HERE, f" {NEWCOMER.upper()} ")
    assert world.subjects(NEWCOMER) == [VERIFY] * 2
    assert world.token() != token


async def test_one_mailbox_gets_few_mails(world: AccountWorld, token: str) -> None:
    for _ in range(MAILBOX_POLICY.free_failures + 3):
        await world.verification.resend(HERE, NEWCOMER)
    # The one of registering counts, too.
    assert world.subjects(NEWCOMER) == [VERIFY] * (MAILBOX_POLICY.free_failures + 1)
    assert world.token() != token


@pytest.mark.parametrize("email", [OWNER.email, NEWCOMER, "nobody@people.test"])
async def test_too_many_questions_are_refused_whoever_they_are_about(
    world: AccountWorld, token: str, email: str
) -> None:
    del token
    for number in range(ASKING_POLICY.free_failures):
        await world.verification.resend(HERE, f"nobody{number}@people.test")
    with pytest.raises(HeadraceError) as caught:
        await world.verification.resend(HERE, email)
    assert caught.value.reason is Reason.REQUEST_RATE_LIMITED
    assert caught.value.message == "Too many requests. Try again in 1 s."


@pytest.mark.parametrize("email", ["a@b\nBcc: c@d.test", "a@b, c@d.test", "ä@b.test", ""])
async def test_what_is_no_address_is_refused(world: AccountWorld, email: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await world.verification.resend(HERE, email)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "email")


async def test_service_accounts_have_no_address_to_ask_for(world: AccountWorld) -> None:
    await world.verification.resend(HERE, SERVICE.email)
    assert world.mailer.sent == []
