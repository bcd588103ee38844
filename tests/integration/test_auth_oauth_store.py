"""The authorization server's ports over PostgreSQL pass the suites of those in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headrace_auth.adapters.postgres.store import PostgresStore
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import BROWSER_POLICY
from headrace_auth.oauth.bridge import Bridge
from headrace_auth.oauth.server import OAuthServer
from headrace_auth.testing.accounts import account_world
from headrace_auth.testing.directory import ADMIN, AUDITOR, MEMBER, OWNER, PASSWORD
from headrace_auth.testing.oauth_flow import authorization_request
from headrace_auth.testing.oauth_suites import (
    CODE,
    SESSION,
    AuthorizationCodesSuite,
    OAuthClientsSuite,
    TokensSuite,
)
from headrace_auth.testing.oauth_world import WEB, OAuthWorld, stored_oauth, stored_world
from headrace_auth.testing.seeding import seed
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.logins.login import Login
from headrace_auth.use_cases.oauth.client_authorizations import Answer, ClientAuthorizations
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


class TestPostgresOAuth(OAuthClientsSuite, AuthorizationCodesSuite, TokensSuite):
    @pytest.fixture
    async def world(self, auth_engine: AsyncEngine) -> AsyncIterator[OAuthWorld]:
        store = PostgresStore(auth_engine, timeout_seconds=5)
        await seed(store, "hash")
        yield await stored_world(store, FakeClock())
        await store.close()


@pytest.fixture
async def store(auth_engine: AsyncEngine) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(auth_engine, timeout_seconds=5)
    await seed(store, "hash")
    yield store
    await store.close()


async def test_a_replay_that_races_its_exchange_leaves_nothing_alive(
    store: PostgresStore,
) -> None:
    world = await stored_world(store, FakeClock())
    await world.register(WEB)
    for number in range(12):
        code = replace(CODE, session_id=f"{SESSION[:-2]}{number:02x}")
        ended = world.ports.tokens.end_session(code)
        issued, _ = await asyncio.gather(
            world.ports.issuer.issue_for_user(code, WEB, refreshable=True), ended
        )
        for token in (issued.access_token, issued.refresh_token or ""):
            assert await world.ports.tokens.describe(token) is None


async def test_of_racing_answers_one_counts(auth_engine: AsyncEngine) -> None:
    store, clock = PostgresStore(auth_engine, timeout_seconds=5), FakeClock()
    async with account_world(store, clock) as accounts:
        await _expect_one_answer_of_a_race(store, clock, accounts.login)
    await store.close()


async def _expect_one_answer_of_a_race(
    store: PostgresStore, clock: FakeClock, login: Login
) -> None:
    world = await stored_world(store, clock)
    await world.register(WEB)
    oauth = await stored_oauth(store, world.clock)
    bridge = Bridge(threads=2, maximum_pending=16, port_seconds=5.0)

    def server_for(caller: Caller) -> OAuthServer:
        return OAuthServer(oauth.ports(caller), bridge, world.clock, issuer="https://headrace.test")

    throttle = AddressThrottle(oauth.acts, BROWSER_POLICY)
    authorizations = ClientAuthorizations(oauth.acts, login, throttle, server_for)
    for _ in range(5):
        question = await authorizations.ask(Caller(), authorization_request())
        # Four people: one account's logins wait for each other.
        answers = [
            authorizations.allow(
                Caller(), question.authorization_id, email=email, password=PASSWORD, code=""
            )
            for email in (OWNER.email, ADMIN.email, MEMBER.email, AUDITOR.email)
        ]
        no = authorizations.deny(Caller(), question.authorization_id)
        results = await asyncio.gather(*answers, no, return_exceptions=True)
        assert [isinstance(each, Answer) for each in results].count(True) == 1
        lost = [each.reason for each in results if isinstance(each, HeadraceError)]
        assert lost == 4 * [Reason.RESOURCE_NOT_FOUND]
    await bridge.close()
