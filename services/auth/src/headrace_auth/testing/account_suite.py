"""What must hold for accounts over any Store when several people or calls come at once."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pyotp import TOTP

from headrace_auth.domain import opaque_secrets
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Invitation, Membership, Organization, User
from headrace_auth.domain.opaque_secrets import ENTROPY_BYTES, Secret, TokenPrefix
from headrace_auth.domain.principal import Role
from headrace_auth.domain.registration import RegistrationRequest
from headrace_auth.domain.revocation_ids import session_revocation
from headrace_auth.domain.sessions import Session
from headrace_auth.testing.accounts import HERE, NEW_PASSWORD, SESSIONS_PER_USER, AccountWorld
from headrace_auth.testing.directory import (
    ACME,
    ADMIN,
    GLOBEX,
    MEMBER,
    OUTSIDER,
    OWNER,
    PASSWORD,
)
from headrace_auth.use_cases.sessions.open_sessions import LoggedIn
from headrace_common.errors import HeadraceError, Reason

NEWCOMER = "new@people.test"
INVITATION = opaque_secrets.mint(TokenPrefix.INVITATION, b"i" * ENTROPY_BYTES)


def registration(email: str = NEWCOMER, **fields: Any) -> RegistrationRequest:
    """A request to register with a good password."""
    return replace(RegistrationRequest(email, NEW_PASSWORD), **fields)


async def invite(world: AccountWorld, email: str = NEWCOMER, **fields: Any) -> Secret:
    """ADMIN's invitation to ACME, for a day."""
    now = world.clock.now()
    invitation = Invitation(
        "01900000-0000-7000-8000-0000000000f1",
        ACME,
        email,
        Role.AUDITOR,
        INVITATION.sha256,
        ADMIN.user_id,
        now,
        now + timedelta(days=1),
    )
    async with world.store.begin() as transaction:
        await transaction.of(Invitation).add(replace(invitation, **fields))
    return INVITATION


async def turn_on_second_factor(world: AccountWorld, caller: Caller) -> tuple[TOTP, list[str]]:
    """The app and the recovery codes of a person whose logins need a code from now on."""
    started = await world.second_factor.start(caller, PASSWORD)
    app = TOTP(started.secret)
    codes = await world.second_factor.confirm(caller, app.at(world.clock.now()))
    world.clock.advance(30)
    return app, list(codes)


async def outcomes(calls: Iterable[Awaitable[object]]) -> list[Reason | None]:
    """How calls at once end: None for success."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    unexpected = [
        each
        for each in results
        if isinstance(each, BaseException) and not isinstance(each, HeadraceError)
    ]
    if unexpected:
        raise unexpected[0]
    return [each.reason if isinstance(each, HeadraceError) else None for each in results]


class AccountRacesSuite:
    """Subclasses provide a fixture `world`."""

    async def test_of_racing_registrations_of_one_address_one_makes_an_account(
        self, world: AccountWorld
    ) -> None:
        register = world.registration().register
        assert await outcomes(register(HERE, registration()) for _ in range(5)) == [None] * 5
        async with world.store.begin() as transaction:
            users = await transaction.of(User).find(email=NEWCOMER)
            assert len(users) == 1
            joined = await transaction.of(Membership).find(user_id=users[0].user_id)
            assert [each.role for each in joined] == [Role.OWNER]
            organizations = await transaction.of(Organization).find()
        assert len(organizations) == 3
        subjects = world.subjects(NEWCOMER)
        assert subjects.count("Confirm your e-mail address") == 1
        assert set(subjects[1:]) == {"Your address is waiting to be confirmed"}

    async def test_racing_newcomers_who_want_one_name_all_get_an_organisation(
        self, world: AccountWorld
    ) -> None:
        register = world.registration().register
        requests = [
            registration(f"new{n}@people.test", organization_name="initech") for n in range(4)
        ]
        assert await outcomes(register(HERE, each) for each in requests) == [None] * 4
        async with world.store.begin() as transaction:
            names = {each.name for each in await transaction.of(Organization).find()}
        ours = sorted(name for name in names if name.startswith("initech"))
        assert len(ours) == 4
        assert ours[0] == "initech"

    async def test_an_invitation_is_taken_once(self, world: AccountWorld) -> None:
        token = (await invite(world, OUTSIDER.email)).reveal()
        caller = await world.log_in(OUTSIDER.email)
        ended = await outcomes(world.accept(caller, token) for _ in range(4))
        assert ended.count(None) == 1
        assert set(ended) == {None, Reason.RESOURCE_NOT_FOUND}
        async with world.store.begin() as transaction:
            joined = await transaction.of(Membership).get(OUTSIDER.user_id, ACME)
        assert joined is not None
        assert joined.role is Role.AUDITOR

    async def test_a_token_to_reset_works_once(self, world: AccountWorld) -> None:
        await world.password_reset.request(HERE, OWNER.email)
        passwords = [f"{NEW_PASSWORD} {number}" for number in range(4)]
        token = world.token()
        ended = await outcomes(
            world.password_reset.reset(HERE, token, password) for password in passwords
        )
        assert sorted(map(str, ended)) == sorted(["None", *["INVALID_FIELD"] * 3])
        winner = passwords[ended.index(None)]
        assert (await world.log_in(OWNER.email, winner)).principal is not None
        assert world.subjects(OWNER.email).count("Your password was changed") == 1

    async def test_of_two_tokens_to_reset_used_at_once_one_works(self, world: AccountWorld) -> None:
        tokens = []
        for _ in range(2):
            await world.password_reset.request(HERE, OWNER.email)
            tokens.append(world.token())
        ended = await outcomes(
            world.password_reset.reset(HERE, token, NEW_PASSWORD) for token in tokens
        )
        assert sorted(map(str, ended)) == ["INVALID_FIELD", "None"]

    async def test_a_code_of_the_app_logs_in_once(self, world: AccountWorld) -> None:
        app, _ = await turn_on_second_factor(world, await world.log_in(MEMBER.email))
        code = app.at(world.clock.now())
        ended = await outcomes(world.log_in(MEMBER.email, code=code) for _ in range(4))
        assert ended.count(None) == 1
        assert set(ended) == {None, Reason.LOGIN_FAILED}

    async def test_a_recovery_code_logs_in_once(self, world: AccountWorld) -> None:
        _, codes = await turn_on_second_factor(world, await world.log_in(MEMBER.email))
        ended = await outcomes(world.log_in(MEMBER.email, code=codes[3]) for _ in range(4))
        assert ended.count(None) == 1
        assert set(ended) == {None, Reason.LOGIN_FAILED}

    async def test_of_racing_changes_of_a_password_one_wins(self, world: AccountWorld) -> None:
        caller = await world.log_in(OWNER.email)
        passwords = [f"{NEW_PASSWORD} {number}" for number in range(4)]
        ended = await outcomes(
            world.password_change.change(caller, PASSWORD, password) for password in passwords
        )
        assert ended.count(None) == 1
        assert set(ended) == {None, Reason.LOGIN_FAILED}
        await world.log_in(OWNER.email, passwords[ended.index(None)])
        async with world.store.begin() as transaction:
            sessions = await transaction.of(Session).find(user_id=OWNER.user_id, ended_at=None)
        assert len(sessions) == 2

    async def test_a_reset_during_logins_leaves_no_session_of_the_old_password(
        self, world: AccountWorld
    ) -> None:
        await world.password_reset.request(HERE, OWNER.email)
        token = world.token()
        logins = [world.login.log_in(HERE, OWNER.email, PASSWORD) for _ in range(4)]
        reset = world.password_reset.reset(HERE, token, NEW_PASSWORD)
        *results, ended = await asyncio.gather(*logins, reset, return_exceptions=True)
        assert ended is None
        for result in results:
            if isinstance(result, HeadraceError):
                assert result.reason in (Reason.LOGIN_FAILED, Reason.CREDENTIAL_INVALID)
                continue
            assert isinstance(result, LoggedIn)
            with pytest.raises(HeadraceError):
                await world.resolver.resolve(result.access_token)
            with pytest.raises(HeadraceError):
                await world.sessions.refresh(HERE, result.refresh_token)

    async def test_one_session_too_many_ends_the_oldest(self, world: AccountWorld) -> None:
        first, *others = [await self._log_in_later(world) for _ in range(SESSIONS_PER_USER)]
        await world.resolver.resolve(first.credential)
        newest = await self._log_in_later(world)
        with pytest.raises(HeadraceError):
            await world.resolver.resolve(first.credential)
        for caller in (*others, newest):
            await world.resolver.resolve(caller.credential)
        assert len(await world.sessions.list(newest)) == SESSIONS_PER_USER
        ended = session_revocation(first.identified().session_id)
        assert sorted(world.announcer.announced) == sorted([(ACME, ended), (GLOBEX, ended)])
        async with world.store.begin() as transaction:
            events = await transaction.of(OutboxEvent).find()
        assert sum(b"session.end_for_newer" in event.payload for event in events) == 1

    async def test_sessions_that_begin_at_once_are_no_more_than_anybody_may_have(
        self, world: AccountWorld
    ) -> None:
        async def begin() -> None:
            async with world.acts.begin(HERE) as act:
                user = await act.of(User).get(OWNER.user_id, lock=True)
                assert user is not None
                await world.identity.opener.open(act, user, ACME)

        assert await outcomes(begin() for _ in range(2 * SESSIONS_PER_USER)) == [None] * 16
        async with world.store.begin() as transaction:
            live = await transaction.of(Session).find(user_id=OWNER.user_id, ended_at=None)
        assert len(live) == SESSIONS_PER_USER

    async def _log_in_later(self, world: AccountWorld) -> Caller:
        """Sessions of one millisecond have no order."""
        world.clock.advance(1)
        return await world.log_in(MEMBER.email)
