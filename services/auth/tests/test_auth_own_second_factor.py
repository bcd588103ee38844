"""One's own second factor: on and off after both proofs, and no code counts twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pyotp import TOTP, parse_uri

from headrace.audit.v1 import audit_pb2
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.sessions import RecoveryCode, SecondFactor
from headrace_auth.testing.account_suite import turn_on_second_factor
from headrace_auth.testing.accounts import AccountWorld
from headrace_auth.testing.directory import ADMIN, MEMBER, PASSWORD
from headrace_common.errors import HeadraceError, Reason

STEP = timedelta(seconds=30)
ON, OFF, USED = "Second factor turned on", "Second factor turned off", "Recovery code used"


@pytest.fixture
async def caller(world: AccountWorld) -> Caller:
    return await world.log_in(MEMBER.email)


async def _login_ends(world: AccountWorld, code: str = "") -> Reason | None:
    try:
        await world.log_in(MEMBER.email, code=code)
    except HeadraceError as error:
        return error.reason
    return None


async def _factor(world: AccountWorld, user_id: str = MEMBER.user_id) -> SecondFactor | None:
    async with world.store.begin() as transaction:
        return await transaction.of(SecondFactor).get(user_id)


async def test_it_counts_once_it_is_confirmed(world: AccountWorld, caller: Caller) -> None:
    started = await world.second_factor.start(caller, PASSWORD)
    assert await _login_ends(world) is None
    app = parse_uri(started.uri)
    assert isinstance(app, TOTP)
    assert (app.secret, app.name, app.issuer) == (started.secret, MEMBER.email, "Headrace")
    codes = await world.second_factor.confirm(caller, app.at(world.clock.now()))
    assert len(set(codes)) == 10
    assert world.subjects(MEMBER.email) == [ON]
    assert await _login_ends(world) is Reason.SECOND_FACTOR_REQUIRED
    world.clock.advance(30)
    assert await _login_ends(world, app.at(world.clock.now())) is None


async def test_the_code_that_confirmed_logs_nobody_in(world: AccountWorld, caller: Caller) -> None:
    started = await world.second_factor.start(caller, PASSWORD)
    code = TOTP(started.secret).at(world.clock.now())
    await world.second_factor.confirm(caller, code)
    assert await _login_ends(world, code) is Reason.LOGIN_FAILED


async def test_a_code_counts_once_and_older_ones_no_more(
    world: AccountWorld, caller: Caller
) -> None:
    app, _ = await turn_on_second_factor(world, caller)
    world.clock.advance(60)
    now = world.clock.now()
    assert await _login_ends(world, app.at(now)) is None
    assert await _login_ends(world, app.at(now)) is Reason.LOGIN_FAILED
    assert await _login_ends(world, app.at(now - STEP)) is Reason.LOGIN_FAILED
    assert await _login_ends(world, app.at(now + STEP)) is None


async def test_a_recovery_code_counts_once_and_its_owner_is_told(
    world: AccountWorld, caller: Caller
) -> None:
    _, codes = await turn_on_second_factor(world, caller)
    assert await _login_ends(world, codes[0].lower().replace("-", " ")) is None
    assert await _login_ends(world, codes[0]) is Reason.LOGIN_FAILED
    assert await _login_ends(world, codes[1]) is None
    assert world.subjects(MEMBER.email) == [ON, USED, USED]
    assert "Codes left: 8." in world.mailer.sent[-1].text


async def test_a_code_of_somebody_else_is_none(world: AccountWorld, caller: Caller) -> None:
    await turn_on_second_factor(world, caller)
    app, codes = await turn_on_second_factor(world, await world.log_in(ADMIN.email))
    for code in (app.at(world.clock.now()), codes[0]):
        assert await _login_ends(world, code) is Reason.LOGIN_FAILED


async def test_a_secret_that_was_put_into_another_record_is_not_opened(
    world: AccountWorld, caller: Caller
) -> None:
    await turn_on_second_factor(world, caller)
    app, _ = await turn_on_second_factor(world, await world.log_in(ADMIN.email))
    mine, other = await _factor(world), await _factor(world, ADMIN.user_id)
    assert mine is not None
    assert other is not None
    async with world.store.begin() as transaction:
        swapped = replace(mine, sealed_secret=other.sealed_secret)
        await transaction.of(SecondFactor).put(swapped)
    assert await _login_ends(world, app.at(world.clock.now())) is Reason.NOT_SERVING


@pytest.mark.parametrize(
    "code", ["", "000000", "abcdef", "1" * 40, "AAAA-AAAA-AAAA-AAAA", "²²²²²²"]
)
async def test_a_wrong_code_confirms_nothing(
    world: AccountWorld, caller: Caller, code: str
) -> None:
    await world.second_factor.start(caller, PASSWORD)
    with pytest.raises(HeadraceError) as caught:
        await world.second_factor.confirm(caller, code)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "code")
    assert await _login_ends(world) is None


async def test_starting_again_makes_another_secret(world: AccountWorld, caller: Caller) -> None:
    first = await world.second_factor.start(caller, PASSWORD)
    second = await world.second_factor.start(caller, PASSWORD)
    assert first.secret != second.secret
    with pytest.raises(HeadraceError):
        await world.second_factor.confirm(caller, TOTP(first.secret).at(world.clock.now()))
    await world.second_factor.confirm(caller, TOTP(second.secret).at(world.clock.now()))


async def test_one_that_counts_is_not_replaced(world: AccountWorld, caller: Caller) -> None:
    app, _ = await turn_on_second_factor(world, caller)
    with pytest.raises(HeadraceError) as caught:
        await world.second_factor.start(caller, PASSWORD)
    assert caught.value.reason is Reason.ALREADY_EXISTS
    with pytest.raises(HeadraceError) as caught:
        await world.second_factor.confirm(caller, app.at(world.clock.now()))
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_nothing_started_is_nothing_to_confirm_or_remove(
    world: AccountWorld, caller: Caller
) -> None:
    for call in (
        world.second_factor.confirm(caller, "000000"),
        world.second_factor.remove(caller, PASSWORD, "000000"),
        world.second_factor.renew_recovery_codes(caller, PASSWORD, "000000"),
    ):
        with pytest.raises(HeadraceError) as caught:
            await call
        assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


async def test_both_proofs_turn_it_off(world: AccountWorld, caller: Caller) -> None:
    app, codes = await turn_on_second_factor(world, caller)
    code = app.at(world.clock.now())
    for password, wrong, reason in (
        ("wrong", code, Reason.LOGIN_FAILED),
        (PASSWORD, "000000", Reason.LOGIN_FAILED),
        (PASSWORD, "", Reason.SECOND_FACTOR_REQUIRED),
    ):
        with pytest.raises(HeadraceError) as caught:
            await world.second_factor.remove(caller, password, wrong)
        assert caught.value.reason is reason
    await world.second_factor.remove(caller, PASSWORD, code)
    assert await _factor(world) is None
    assert await _login_ends(world) is None
    assert world.subjects(MEMBER.email) == [ON, OFF]
    async with world.store.begin() as transaction:
        assert await transaction.of(RecoveryCode).find(user_id=MEMBER.user_id) == []
    # Turned on again, it does not know the old codes.
    await turn_on_second_factor(world, caller)
    assert await _login_ends(world, codes[0]) is Reason.LOGIN_FAILED


async def test_who_lost_the_phone_turns_it_off_by_a_recovery_code(
    world: AccountWorld, caller: Caller
) -> None:
    _, codes = await turn_on_second_factor(world, caller)
    await world.second_factor.remove(caller, PASSWORD, codes[5])
    assert await _login_ends(world) is None


async def test_new_recovery_codes_take_the_place_of_the_old_ones(
    world: AccountWorld, caller: Caller
) -> None:
    app, old = await turn_on_second_factor(world, caller)
    new = await world.second_factor.renew_recovery_codes(
        caller, PASSWORD, app.at(world.clock.now())
    )
    assert set(new).isdisjoint(old)
    assert world.subjects(MEMBER.email) == [ON, "New recovery codes"]
    assert not any(code in world.mailer.sent[-1].text for code in new)
    assert await _login_ends(world, old[0]) is Reason.LOGIN_FAILED
    assert await _login_ends(world, new[0]) is None


async def test_wrong_codes_count_like_wrong_passwords(world: AccountWorld, caller: Caller) -> None:
    await turn_on_second_factor(world, caller)
    for reason in [Reason.LOGIN_FAILED] * 6 + [Reason.LOGIN_THROTTLED]:
        with pytest.raises(HeadraceError) as caught:
            await world.second_factor.remove(caller, PASSWORD, "000000")
        assert caught.value.reason is reason


async def test_a_stolen_token_alone_turns_nothing_on(world: AccountWorld, caller: Caller) -> None:
    with pytest.raises(HeadraceError) as caught:
        await world.second_factor.start(caller, "wrong")
    assert caught.value.reason is Reason.LOGIN_FAILED
    assert await _factor(world) is None


async def test_secrets_are_in_no_event_and_no_repr(world: AccountWorld, caller: Caller) -> None:
    started = await world.second_factor.start(caller, PASSWORD)
    app = TOTP(started.secret)
    codes = await world.second_factor.confirm(caller, app.at(world.clock.now()))
    await _login_ends(world, codes[0])
    async with world.store.begin() as transaction:
        events = await transaction.of(OutboxEvent).find()
        digests = [each.code_sha256 for each in await transaction.of(RecoveryCode).find()]
    told = [audit_pb2.AuditEvent.FromString(event.payload) for event in events]
    assert {"second_factor.start", "second_factor.confirm", "recovery_code_used"} <= {
        event.operation for event in told
    }
    shown = "".join([*map(str, told), repr(started)])
    for secret in (started.secret, *codes, *(digest.hex() for digest in digests), "\\x", "\\3"):
        assert secret not in shown


async def test_without_a_second_factor_a_code_does_not_matter(world: AccountWorld) -> None:
    assert await _login_ends(world, "000000") is None
