"""Acts that come at once wait for one another, and never in a circle that PostgreSQL must break.

Who can make a circle again and again keeps others out: theirs may be the act that is undone.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import mailbox_subject
from headrace_auth.domain.principal import Role
from headrace_auth.domain.registration import RegistrationMode, invitation_digest
from headrace_auth.testing.account_suite import NEWCOMER, outcomes, registration
from headrace_auth.testing.accounts import HERE, AccountWorld
from headrace_auth.testing.administration import Administration
from headrace_auth.testing.directory import ADMIN, GLOBEX, MEMBER, OUTSIDER, OWNER, PASSWORD
from headrace_auth.testing.federation import ADA, VERIFIER, federation_world
from headrace_auth.use_cases.directory.manage_invitations import InvitationRequest
from headrace_auth.use_cases.directory.members import MemberChange
from headrace_auth.use_cases.failure_counts import failures_of
from headrace_common.errors import Reason
from headrace_common.postgres import create_engine

ROUNDS = 5
DEADLINE_SECONDS = 5


@pytest.fixture
def world(accounts_in_postgres: AccountWorld) -> AccountWorld:
    return accounts_in_postgres


@pytest.fixture
def administration(world: AccountWorld) -> Administration:
    return Administration(world.store, world.clock, mailer=world.mailer)


async def _invite(administration: Administration, caller: Caller, email: str) -> object:
    return await administration.invitations.invite(caller, InvitationRequest(email, Role.MEMBER))


def _accept(world: AccountWorld, caller: Caller, token: str) -> Awaitable[object]:
    """Fails at its proof, after its first act."""
    return world.accept(caller, token, password="wrong")


async def test_who_invites_and_takes_an_old_invitation_keeps_no_owner_out(
    world: AccountWorld, administration: Administration
) -> None:
    owner, admin = await administration.caller(OWNER), await world.log_in(ADMIN.email)
    await _invite(administration, owner, NEWCOMER)
    token = administration.invitation_token()
    for number in range(ROUNDS):
        role = Role.AUDITOR if number % 2 else Role.MEMBER
        ended = await outcomes(
            [
                *(_accept(world, admin, token) for _ in range(3)),
                _invite(administration, admin, f"{number}@new.test"),
                administration.members.update(owner, MEMBER.user_id, MemberChange(role=role)),
                *(_accept(world, admin, token) for _ in range(3)),
            ]
        )
        assert set(ended) == {None, Reason.PERMISSION_DENIED}
        assert ended[3:5] == [None, None]


async def test_a_login_and_an_invitation_of_one_person(
    world: AccountWorld, administration: Administration
) -> None:
    federation = federation_world(world, RegistrationMode.INVITATION)
    identity, caller = replace(ADA, email=OUTSIDER.email), await world.log_in(OUTSIDER.email)
    await federation.link(caller, identity)
    await _invite(administration, await administration.caller(OWNER), OUTSIDER.email)
    token = administration.invitation_token()
    for _ in range(ROUNDS):
        code = await federation.login_code(identity)
        login = federation.exchange.exchange(HERE, code, VERIFIER)
        accepts = (_accept(world, caller, token) for _ in range(4))
        assert Reason.DEPENDENCY_UNAVAILABLE not in await outcomes([login, *accepts])


async def test_an_invitation_is_sent_again_while_somebody_registers_with_it(
    world: AccountWorld, administration: Administration, auth_database_url: str
) -> None:
    owner = await administration.caller(OWNER)
    await _invite(administration, owner, NEWCOMER)
    digest = invitation_digest(administration.invitation_token())
    request = replace(registration(NEWCOMER), invitation_sha256=digest)
    calls = (
        world.registration(RegistrationMode.INVITATION).register(HERE, request),
        _invite(administration, owner, NEWCOMER),
    )
    async with world.acts.begin(HERE) as act:
        # Both come as far as they can while somebody else has the mailbox.
        await failures_of(act, mailbox_subject(NEWCOMER))
        waiting = []
        for call in calls:
            waiting.append(asyncio.ensure_future(call))
            await _until_waiting(auth_database_url, len(waiting))
    assert Reason.DEPENDENCY_UNAVAILABLE not in await outcomes(waiting)


async def test_sessions_are_ended_by_an_administrator_and_by_their_owner(
    world: AccountWorld, administration: Administration
) -> None:
    owner = await administration.caller(OWNER)
    for _ in range(ROUNDS):
        sessions = [await world.log_in(MEMBER.email) for _ in range(6)]
        ended = await outcomes(
            [
                administration.members.end_sessions(owner, MEMBER.user_id),
                *(world.sessions.end(caller, "") for caller in sessions),
            ]
        )
        assert ended == [None] * 7


async def test_a_session_is_moved_and_refreshed(world: AccountWorld) -> None:
    for _ in range(ROUNDS):
        logged_in = await world.login.log_in(HERE, MEMBER.email, PASSWORD)
        caller = await world.caller(logged_in)
        ended = await outcomes(
            [
                world.sessions.switch(caller, GLOBEX),
                world.sessions.refresh(HERE, logged_in.refresh_token),
                world.sessions.switch(caller, GLOBEX),
            ]
        )
        assert Reason.DEPENDENCY_UNAVAILABLE not in ended


async def _until_waiting(url: str, calls: int) -> None:
    """Until so many transactions wait for somebody's lock."""
    engine = create_engine(url)
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with engine.connect() as connection, asyncio.timeout(DEADLINE_SECONDS):
        while ((await connection.exec_driver_sql(query)).scalar() or 0) < calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await engine.dispose()
