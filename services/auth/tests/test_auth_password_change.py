"""Changing one's password: the old one is needed, counted like a login, and opens nothing after."""

from dataclasses import replace

import pytest

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.principal import CredentialKind
from headrace_auth.testing.account_suite import turn_on_second_factor
from headrace_auth.testing.accounts import BREACHED, HERE, NEW_PASSWORD, AccountWorld
from headrace_auth.testing.directory import GLOBEX, MEMBER, PASSWORD
from headrace_common.errors import HeadraceError, Reason


@pytest.fixture
async def caller(world: AccountWorld) -> Caller:
    """MEMBER in its second organisation."""
    result = await world.login.log_in(HERE, MEMBER.email, PASSWORD, organization_id=GLOBEX)
    return await world.caller(result)


async def _refused(world: AccountWorld, caller: Caller, current: str, new: str) -> HeadraceError:
    with pytest.raises(HeadraceError) as caught:
        await world.password_change.change(caller, current, new)
    return caught.value


async def test_this_device_goes_on_and_all_others_are_out(
    world: AccountWorld, caller: Caller
) -> None:
    elsewhere = await world.login.log_in(HERE, MEMBER.email, PASSWORD)
    result = await world.password_change.change(caller, PASSWORD, NEW_PASSWORD)
    here = await world.caller(result)
    assert here.identified().member.organization_id == GLOBEX
    assert [each.session_id for each in await world.sessions.list(here)] == [
        result.session.session_id
    ]
    for token in (caller.credential, elsewhere.access_token):
        with pytest.raises(HeadraceError):
            await world.resolver.resolve(token)
    await world.sessions.refresh(HERE, result.refresh_token)
    assert world.subjects(MEMBER.email) == ["Your password was changed"]
    await world.log_in(MEMBER.email, NEW_PASSWORD)


async def test_tokens_to_reset_that_were_sent_before_are_void(
    world: AccountWorld, caller: Caller
) -> None:
    await world.password_reset.request(HERE, MEMBER.email)
    token = world.token()
    await world.password_change.change(caller, PASSWORD, NEW_PASSWORD)
    with pytest.raises(HeadraceError) as caught:
        await world.password_reset.reset(HERE, token, PASSWORD)
    assert caught.value.param == "token"


async def test_a_wrong_password_changes_nothing_and_is_counted(
    world: AccountWorld, caller: Caller
) -> None:
    for _ in range(6):
        error = await _refused(world, caller, "wrong", NEW_PASSWORD)
        assert error.reason is Reason.LOGIN_FAILED
    error = await _refused(world, caller, PASSWORD, NEW_PASSWORD)
    assert error.reason is Reason.LOGIN_THROTTLED
    # All sessions of a person have one count; logins have another.
    elsewhere = await world.log_in(MEMBER.email)
    error = await _refused(world, elsewhere, PASSWORD, NEW_PASSWORD)
    assert error.reason is Reason.LOGIN_THROTTLED
    assert (await world.resolver.resolve(caller.credential)) == caller.principal


@pytest.mark.parametrize(
    ("code", "reason"),
    [("", Reason.SECOND_FACTOR_REQUIRED), ("000000", Reason.LOGIN_FAILED)],
)
async def test_the_password_alone_changes_nothing_where_a_second_factor_is(
    world: AccountWorld, caller: Caller, code: str, reason: Reason
) -> None:
    totp, _ = await turn_on_second_factor(world, caller)
    with pytest.raises(HeadraceError) as caught:
        await world.password_change.change(caller, PASSWORD, NEW_PASSWORD, code=code)
    assert caught.value.reason is reason
    assert await world.resolver.resolve(caller.credential) == caller.principal
    result = await world.password_change.change(
        caller, PASSWORD, NEW_PASSWORD, code=totp.at(world.clock.now())
    )
    await world.resolver.resolve(result.access_token)


async def test_a_code_of_a_login_changes_no_password(world: AccountWorld, caller: Caller) -> None:
    totp, _ = await turn_on_second_factor(world, caller)
    code = totp.at(world.clock.now())
    await world.log_in(MEMBER.email, code=code)
    with pytest.raises(HeadraceError) as caught:
        await world.password_change.change(caller, PASSWORD, NEW_PASSWORD, code=code)
    assert caught.value.reason is Reason.LOGIN_FAILED


async def test_wrong_codes_count_like_wrong_passwords(world: AccountWorld, caller: Caller) -> None:
    await turn_on_second_factor(world, caller)
    for reason in [Reason.LOGIN_FAILED] * 6 + [Reason.LOGIN_THROTTLED]:
        with pytest.raises(HeadraceError) as caught:
            await world.password_change.change(caller, PASSWORD, NEW_PASSWORD, code="000000")
        assert caught.value.reason is reason


async def test_a_right_password_forgives_the_wrong_ones(
    world: AccountWorld, caller: Caller
) -> None:
    for _ in range(5):
        await _refused(world, caller, "wrong", NEW_PASSWORD)
    result = await world.password_change.change(caller, PASSWORD, NEW_PASSWORD)
    error = await _refused(world, await world.caller(result), "wrong", PASSWORD)
    assert error.reason is Reason.LOGIN_FAILED


async def test_a_stranger_who_locks_logins_keeps_nobody_from_changing_a_password(
    world: AccountWorld, caller: Caller
) -> None:
    stranger = Caller(source_address="198.51.100.7")
    for reason in [Reason.LOGIN_FAILED] * 6 + [Reason.LOGIN_THROTTLED]:
        with pytest.raises(HeadraceError) as caught:
            await world.login.log_in(stranger, MEMBER.email, "wrong")
        assert caught.value.reason is reason
    await world.password_change.change(caller, PASSWORD, NEW_PASSWORD)


@pytest.mark.parametrize("new", ["short", BREACHED, "member@acme.test1"])
async def test_a_bad_new_password_changes_nothing(
    world: AccountWorld, caller: Caller, new: str
) -> None:
    error = await _refused(world, caller, PASSWORD, new)
    assert (error.reason, error.param) == (Reason.INVALID_FIELD, "new_password")
    await world.log_in(MEMBER.email)


async def test_keys_and_other_applications_change_no_password(
    world: AccountWorld, caller: Caller
) -> None:
    principal = caller.identified()
    for other in (
        replace(principal, credential_kind=CredentialKind.API_KEY),
        replace(principal, client_id="app"),
        replace(principal, scopes=frozenset()),
    ):
        error = await _refused(world, replace(caller, principal=other), PASSWORD, NEW_PASSWORD)
        assert error.reason is Reason.PERMISSION_DENIED
    error = await _refused(world, replace(caller, principal=None), PASSWORD, NEW_PASSWORD)
    assert error.reason is Reason.CREDENTIAL_MISSING


async def test_who_has_no_password_has_none_to_change(world: AccountWorld, caller: Caller) -> None:
    async with world.store.begin() as transaction:
        user = await transaction.of(User).get(MEMBER.user_id)
        assert user is not None
        await transaction.of(User).put(replace(user, password_hash=None))
    error = await _refused(world, caller, PASSWORD, NEW_PASSWORD)
    assert error.reason is Reason.LOGIN_FAILED
