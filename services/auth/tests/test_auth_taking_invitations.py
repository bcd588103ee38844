"""Joining another organisation by an invitation: only with a proof of who one is."""

from dataclasses import replace

import pytest

from headrace_auth.domain.directory import Membership, User
from headrace_auth.testing.account_suite import invite, turn_on_second_factor
from headrace_auth.testing.accounts import AccountWorld
from headrace_auth.testing.directory import ACME, OUTSIDER
from headrace_common.errors import HeadraceError, Reason


async def joined(world: AccountWorld) -> bool:
    async with world.store.begin() as transaction:
        return await transaction.of(Membership).get(OUTSIDER.user_id, ACME) is not None


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ({"password": ""}, Reason.INVALID_FIELD),
        ({"password": "wrong"}, Reason.LOGIN_FAILED),
        ({}, Reason.SECOND_FACTOR_REQUIRED),
        ({"code": "000000"}, Reason.LOGIN_FAILED),
    ],
)
async def test_a_token_alone_joins_nothing(
    world: AccountWorld, proof: dict[str, str], reason: Reason
) -> None:
    caller = await world.log_in(OUTSIDER.email)
    await turn_on_second_factor(world, caller)
    token = (await invite(world, OUTSIDER.email)).reveal()
    with pytest.raises(HeadraceError) as caught:
        await world.accept(caller, token, **proof)
    assert caught.value.reason is reason
    assert not await joined(world)


async def test_a_wrong_invitation_uses_up_no_code(world: AccountWorld) -> None:
    caller = await world.log_in(OUTSIDER.email)
    app, _ = await turn_on_second_factor(world, caller)
    token = (await invite(world, OUTSIDER.email)).reveal()
    code = app.at(world.clock.now())
    with pytest.raises(HeadraceError) as caught:
        await world.accept(caller, token[:-1] + "x", code=code)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND
    assert (await world.accept(caller, token, code=code)).organization_id == ACME
    with pytest.raises(HeadraceError) as caught:
        await world.accept(caller, token, code=code)
    assert caught.value.reason is Reason.RESOURCE_NOT_FOUND


@pytest.mark.parametrize(("seconds", "joins"), [(299, True), (300, False)])
async def test_who_has_no_password_joins_only_soon_after_a_login(
    world: AccountWorld, seconds: int, joins: bool
) -> None:
    caller = await world.log_in(OUTSIDER.email)
    async with world.acts.begin(caller) as act:
        user = await act.of(User).get(OUTSIDER.user_id)
        assert user is not None
        await act.of(User).put(replace(user, password_hash=None))
    token = (await invite(world, OUTSIDER.email)).reveal()
    world.clock.advance(seconds)
    if joins:
        await world.accept(caller, token, password="")
        return
    with pytest.raises(HeadraceError) as caught:
        await world.accept(caller, token, password="")
    assert caught.value.reason is Reason.PERMISSION_DENIED
    assert "log in again" in str(caught.value)
