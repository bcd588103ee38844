"""Proving an address: once, in time, by whoever registered with it, and told to nobody else."""

from dataclasses import replace

import pytest

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.directory import User
from headrace_auth.domain.lockout import (
    ACCOUNT_POLICY,
    MAILBOX_POLICY,
    REQUEST_POLICY,
    LoginFailures,
    account_subject,
    address_subject,
)
from headrace_auth.domain.opaque_secrets import ENTROPY_BYTES, TokenPrefix
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


async def _expect_refusal(world: AccountWorld, token: str) -> str:
    with pytest.raises(HeadraceError) as caught:
        await world.verification.verify(HERE, token, NEW_PASSWORD)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "token")
    return caught.value.message


async def test_a_token_works_once(world: AccountWorld, token: str) -> None:
    await world.verification.verify(HERE, token, NEW_PASSWORD)
    await world.log_in(NEWCOMER, NEW_PASSWORD)
    await _expect_refusal(world, token)


async def _failing(world: AccountWorld, token: str, password: str) -> Reason:
    with pytest.raises(HeadraceError) as caught:
        await world.verification.verify(HERE, token, password)
    return caught.value.reason


async def _not_verified(world: AccountWorld, password: str = NEW_PASSWORD) -> None:
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(NEWCOMER, password)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_another_password_proves_nothing_and_leaves_the_token_good(
    world: AccountWorld, token: str
) -> None:
    assert await _failing(world, token, "the reader's own password") is Reason.LOGIN_FAILED
    assert await _failing(world, token, "") is Reason.INVALID_FIELD
    await _not_verified(world)
    await world.verification.verify(HERE, token, NEW_PASSWORD)
    await world.log_in(NEWCOMER, NEW_PASSWORD)


async def test_guesses_count_as_those_of_logins(world: AccountWorld, token: str) -> None:
    for number in range(ACCOUNT_POLICY.free_failures + 1):
        assert await _failing(world, token, f"guess {number}") is Reason.LOGIN_FAILED
    assert await _failing(world, token, NEW_PASSWORD) is Reason.LOGIN_THROTTLED
    with pytest.raises(HeadraceError) as caught:
        await world.log_in(NEWCOMER, NEW_PASSWORD)
    assert caught.value.reason is Reason.LOGIN_THROTTLED
    world.clock.advance(2)
    await world.verification.verify(HERE, token, NEW_PASSWORD)
    async with world.store.begin() as transaction:
        known = transaction.of(LoginFailures)
        assert await known.get(account_subject(NEWCOMER)) is None
        assert await known.get(address_subject(HERE.source_address)) is not None


async def test_without_a_token_no_password_is_looked_at(world: AccountWorld) -> None:
    async with world.store.begin() as transaction:
        before = await transaction.of(LoginFailures).find()
    for password in ("", NEW_PASSWORD, "x" * 5000):
        with pytest.raises(HeadraceError) as caught:
            await world.verification.verify(HERE, "hrv_nonsense", password)
        assert caught.value.param == "token"
    async with world.store.begin() as transaction:
        assert await transaction.of(LoginFailures).find() == before


@pytest.mark.parametrize("field", ["password_hash", "disabled_at"])
async def test_an_account_without_a_password_or_a_disabled_one_proves_nothing(
    world: AccountWorld, token: str, field: str
) -> None:
    async with world.store.begin() as transaction:
        [user] = await transaction.of(User).find(email=NEWCOMER)
        spoilt = {"password_hash": None, "disabled_at": world.clock.now()}[field]
        await transaction.of(User).put(replace(user, **{field: spoilt}))  # type: ignore[arg-type]
    assert await _failing(world, token, NEW_PASSWORD) is Reason.LOGIN_FAILED
    async with world.store.begin() as transaction:
        [user] = await transaction.of(User).find(email=NEWCOMER)
    assert user.email_verified_at is None


async def test_a_token_works_for_a_day(world: AccountWorld, token: str) -> None:
    world.clock.advance(DAY - 1)
    await world.verification.resend(HERE, NEWCOMER)
    later = world.token()
    world.clock.advance(1)
    await _expect_refusal(world, token)
    await world.verification.verify(HERE, later, NEW_PASSWORD)


async def test_with_one_token_the_others_are_used_up(world: AccountWorld, token: str) -> None:
    await world.verification.resend(HERE, NEWCOMER)
    await world.verification.verify(HERE, token, NEW_PASSWORD)
    await _expect_refusal(world, world.token())
    async with world.store.begin() as transaction:
        assert await transaction.of(OneTimeToken).find() == []


async def test_whatever_is_wrong_with_a_token_is_said_in_one_way(
    world: AccountWorld, token: str
) -> None:
    await world.password_reset.request(HERE, NEWCOMER)
    reset = world.token()
    unknown = opaque_secrets.mint(TokenPrefix.EMAIL_VERIFICATION, b"u" * ENTROPY_BYTES).reveal()
    # The digest covers the prefix: the token to reset cannot be passed off as one to verify.
    relabelled = "hrv" + reset.removeprefix("hrp")
    wrong = ("", "x", token[:-1], token + "x", token.swapcase(), unknown, reset, relabelled, "é")
    assert len({await _expect_refusal(world, each) for each in wrong}) == 1
    await world.verification.verify(HERE, token, NEW_PASSWORD)


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
    for number in range(REQUEST_POLICY.free_failures):
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
