"""The suites that every adapter of the authorization server's ports must pass."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace_auth.domain.oauth_grants import AuthorizationCode
from headrace_auth.domain.oauth_tokens import IssuedTokens, TokenKind
from headrace_auth.domain.opaque_secrets import digest
from headrace_auth.domain.principal import Role, Scope
from headrace_auth.oauth.errors import ErrorCode, OAuthError
from headrace_auth.testing.directory import ACME, MEMBER, SERVICE
from headrace_auth.testing.oauth_world import NATIVE, WEB, OAuthWorld

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SESSION = "01900000-0000-7000-8000-00000000005e"
SCOPES = frozenset({Scope.LLM_INVOKE, Scope.KEYS_READ})
CODE = AuthorizationCode(
    code_sha256=digest("code"),
    client_id=WEB.client_id,
    user_id=MEMBER.user_id,
    organization_id=ACME,
    redirect_uri=WEB.redirect_uris[0],
    scopes=SCOPES,
    code_challenge="c" * 43,
    created_at=NOW,
    expires_at=NOW + timedelta(seconds=60),
    session_id=SESSION,
)
LONG = timedelta(days=400).total_seconds()


async def refused_as(call: Awaitable[object]) -> ErrorCode:
    """The code with which an awaitable is refused."""
    with pytest.raises(OAuthError) as caught:
        await call
    return caught.value.code


class OAuthClientsSuite:
    """Subclasses provide a fixture `world`, its members those of the directory."""

    async def test_a_client_comes_back_as_registered(self, world: OAuthWorld) -> None:
        for client in (WEB, NATIVE):
            await world.register(client)
        assert await world.ports.clients.get(WEB.client_id) == WEB
        assert await world.ports.clients.get(NATIVE.client_id) == NATIVE

    async def test_an_unknown_client_is_none(self, world: OAuthWorld) -> None:
        for client_id in ("web", "WEB", "", "' OR 1=1 --"):
            assert await world.ports.clients.get(client_id) is None

    async def test_a_revoked_client_comes_back_as_such(self, world: OAuthWorld) -> None:
        await world.register(replace(WEB, revoked_at=world.clock.now()))
        client = await world.ports.clients.get(WEB.client_id)
        assert client is not None
        assert not client.is_live


class AuthorizationCodesSuite:
    """Subclasses provide a fixture `world`."""

    @pytest.fixture
    async def code(self, world: OAuthWorld) -> AuthorizationCode:
        await world.register(WEB)
        await world.ports.codes.put(CODE)
        return CODE

    async def test_the_first_use_is_told_from_the_others(
        self, world: OAuthWorld, code: AuthorizationCode
    ) -> None:
        uses = [await world.ports.codes.take(code.code_sha256) for _ in range(3)]
        assert uses[0] == code
        assert [use.used_at is None for use in uses if use] == [True, False, False]

    async def test_of_racing_uses_one_is_the_first(
        self, world: OAuthWorld, code: AuthorizationCode
    ) -> None:
        takes = [world.ports.codes.take(code.code_sha256) for _ in range(8)]
        first = [use for use in await asyncio.gather(*takes) if use and use.used_at is None]
        assert first == [code]

    @pytest.mark.usefixtures("code")
    async def test_an_unknown_code_is_none(self, world: OAuthWorld) -> None:
        assert await world.ports.codes.take(digest("another")) is None

    async def test_an_expired_code_is_still_seen(
        self, world: OAuthWorld, code: AuthorizationCode
    ) -> None:
        world.clock.advance(500)
        assert await world.ports.codes.take(code.code_sha256) == code


class TokensSuite:
    """TokenIssuer and TokenBook; subclasses provide a fixture `world`."""

    @pytest.fixture
    async def issued(self, world: OAuthWorld) -> IssuedTokens:
        await world.register(WEB)
        await world.register(NATIVE)
        return await world.ports.issuer.issue_for_user(CODE, WEB, refreshable=True)

    async def test_issued_tokens_describe_their_grant(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        assert issued.refresh_token is not None
        assert issued.scopes == SCOPES
        access = await world.ports.tokens.describe(issued.access_token)
        refresh = await world.ports.tokens.describe(issued.refresh_token)
        assert access is not None
        assert refresh is not None
        assert (access.kind, refresh.kind) == (TokenKind.ACCESS_TOKEN, TokenKind.REFRESH_TOKEN)
        assert access.token_id != refresh.token_id
        for token in (access, refresh):
            assert token.session_id == SESSION
            assert (token.client_id, token.user_id) == (WEB.client_id, MEMBER.user_id)
            assert (token.organization_id, token.scopes) == (ACME, SCOPES)
        life = access.expires_at - access.issued_at
        assert life == timedelta(seconds=issued.expires_in_seconds)

    async def test_without_the_grant_type_there_is_no_refresh_token(
        self, world: OAuthWorld
    ) -> None:
        await world.register(WEB)
        issued = await world.ports.issuer.issue_for_user(CODE, WEB, refreshable=False)
        assert issued.refresh_token is None

    async def test_role_and_client_bound_what_is_issued(self, world: OAuthWorld) -> None:
        await world.register(WEB)
        await world.set_role(MEMBER.user_id, ACME, Role.AUDITOR)
        issue = world.ports.issuer.issue_for_user
        assert (await issue(CODE, WEB, refreshable=True)).scopes == {Scope.KEYS_READ}
        narrow = replace(WEB, scopes=frozenset({Scope.LLM_INVOKE}))
        other = replace(CODE, session_id=SESSION[:-1] + "f")
        refusal = await refused_as(issue(other, narrow, refreshable=True))
        assert refusal is ErrorCode.INVALID_SCOPE

    async def test_who_left_gets_and_has_nothing(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        await world.set_role(MEMBER.user_id, ACME, None)
        other = replace(CODE, session_id=SESSION[:-1] + "f")
        issue = world.ports.issuer.issue_for_user(other, WEB, refreshable=True)
        assert await refused_as(issue) is ErrorCode.INVALID_GRANT
        assert await world.ports.tokens.describe(issued.access_token) is None
        refresh = world.ports.issuer.refresh(issued.refresh_token or "", WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT

    async def test_a_new_password_ends_everything(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        await world.end_logins(MEMBER.user_id)
        for token in (issued.access_token, issued.refresh_token or ""):
            assert await world.ports.tokens.describe(token) is None
        refresh = world.ports.issuer.refresh(issued.refresh_token or "", WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT
        # Also what has been approved and not yet been fetched.
        other = replace(CODE, session_id=SESSION[:-1] + "f")
        issue = world.ports.issuer.issue_for_user(other, WEB, refreshable=True)
        assert await refused_as(issue) is ErrorCode.INVALID_GRANT

    async def test_a_role_that_shrank_shrinks_what_a_token_can_do(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        await world.set_role(MEMBER.user_id, ACME, Role.AUDITOR)
        access = await world.ports.tokens.describe(issued.access_token)
        assert access is not None
        assert access.scopes == {Scope.KEYS_READ}

    async def test_a_service_token_acts_as_the_service_account(self, world: OAuthWorld) -> None:
        await world.register(WEB)
        issued = await world.ports.issuer.issue_for_client(WEB, WEB.scopes)
        assert issued.refresh_token is None
        # A service may not read keys, whatever its client may.
        assert issued.scopes == {Scope.LLM_INVOKE, Scope.MODELS_READ}
        access = await world.ports.tokens.describe(issued.access_token)
        assert access is not None
        assert (access.user_id, access.session_id) == (SERVICE.user_id, "")

    async def test_no_client_acts_as_a_person(self, world: OAuthWorld) -> None:
        posing = replace(WEB, service_user_id=MEMBER.user_id)
        await world.register(posing)
        issue = world.ports.issuer.issue_for_client(posing, posing.scopes)
        assert await refused_as(issue) is ErrorCode.INVALID_GRANT

    async def test_refreshing_rotates_and_keeps_the_session(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        first = issued.refresh_token or ""
        renewed = await world.ports.issuer.refresh(first, WEB, None)
        assert renewed.refresh_token not in (None, first)
        assert renewed.access_token != issued.access_token
        assert renewed.scopes == SCOPES
        assert await world.ports.tokens.describe(first) is None
        for token in (issued.access_token, renewed.access_token, renewed.refresh_token or ""):
            described = await world.ports.tokens.describe(token)
            assert described is not None
            assert described.session_id == SESSION

    async def test_a_narrower_refresh_leaves_the_grant_as_it_is(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        refresh = world.ports.issuer.refresh
        narrow = await refresh(issued.refresh_token or "", WEB, frozenset({Scope.KEYS_READ}))
        assert narrow.scopes == {Scope.KEYS_READ}
        assert (await refresh(narrow.refresh_token or "", WEB, None)).scopes == SCOPES

    async def test_a_wider_refresh_is_refused_and_uses_nothing_up(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        refresh, token = world.ports.issuer.refresh, issued.refresh_token or ""
        wide = SCOPES | {Scope.MODELS_READ}
        assert await refused_as(refresh(token, WEB, wide)) is ErrorCode.INVALID_SCOPE
        assert (await refresh(token, WEB, None)).scopes == SCOPES

    async def test_reuse_ends_the_session(self, world: OAuthWorld, issued: IssuedTokens) -> None:
        refresh, old = world.ports.issuer.refresh, issued.refresh_token or ""
        renewed = await refresh(old, WEB, None)
        assert await refused_as(refresh(old, WEB, None)) is ErrorCode.INVALID_GRANT
        newest = renewed.refresh_token or ""
        for token in (issued.access_token, renewed.access_token, newest):
            assert await world.ports.tokens.describe(token) is None
        assert await refused_as(refresh(newest, WEB, None)) is ErrorCode.INVALID_GRANT

    async def test_of_racing_refreshes_one_wins_and_the_session_ends(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        token = issued.refresh_token or ""
        calls = [world.ports.issuer.refresh(token, WEB, None) for _ in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        won = [result for result in results if isinstance(result, IssuedTokens)]
        lost = [result.code for result in results if isinstance(result, OAuthError)]
        assert (len(won), lost) == (1, 4 * [ErrorCode.INVALID_GRANT])
        assert await world.ports.tokens.describe(won[0].access_token) is None

    async def test_only_its_own_client_can_refresh(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        refresh, token = world.ports.issuer.refresh, issued.refresh_token or ""
        assert await refused_as(refresh(token, NATIVE, None)) is ErrorCode.INVALID_GRANT
        assert (await refresh(token, WEB, None)).scopes == SCOPES

    @pytest.mark.usefixtures("issued")
    @pytest.mark.parametrize("token", ["", "unknown", "ü", "a\x00b", "x" * 4096])
    async def test_other_texts_are_no_tokens(self, world: OAuthWorld, token: str) -> None:
        refresh = world.ports.issuer.refresh(token, WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT
        assert await world.ports.tokens.describe(token) is None
        assert await world.ports.tokens.end(token, WEB.client_id)

    async def test_an_access_token_refreshes_nothing(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        refresh = world.ports.issuer.refresh(issued.access_token, WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT
        assert await world.ports.tokens.describe(issued.access_token) is not None

    async def test_tokens_expire(self, world: OAuthWorld, issued: IssuedTokens) -> None:
        world.clock.advance(issued.expires_in_seconds)
        assert await world.ports.tokens.describe(issued.access_token) is None
        assert await world.ports.tokens.describe(issued.refresh_token or "") is not None
        world.clock.advance(LONG)
        assert await world.ports.tokens.describe(issued.refresh_token or "") is None
        refresh = world.ports.issuer.refresh(issued.refresh_token or "", WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT

    async def test_ending_an_access_token_leaves_the_session(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        assert await world.ports.tokens.end(issued.access_token, WEB.client_id)
        assert await world.ports.tokens.describe(issued.access_token) is None
        assert await world.ports.tokens.describe(issued.refresh_token or "") is not None

    @pytest.mark.parametrize("used", [False, True])
    async def test_ending_a_refresh_token_ends_the_session_even_if_it_is_used(
        self, world: OAuthWorld, issued: IssuedTokens, used: bool
    ) -> None:
        token = issued.refresh_token or ""
        if used:
            await world.ports.issuer.refresh(token, WEB, None)
        assert await world.ports.tokens.end(token, WEB.client_id)
        assert await world.ports.tokens.describe(token) is None
        assert await world.ports.tokens.describe(issued.access_token) is None

    async def test_another_client_ends_nothing(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        for token in (issued.access_token, issued.refresh_token or ""):
            assert not await world.ports.tokens.end(token, NATIVE.client_id)
            assert await world.ports.tokens.describe(token) is not None

    async def test_an_ended_session_has_no_working_token(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        await world.ports.tokens.end_session(CODE)
        for token in (issued.access_token, issued.refresh_token or ""):
            assert await world.ports.tokens.describe(token) is None

    async def test_a_session_that_ends_before_it_begins_is_born_dead(
        self, world: OAuthWorld
    ) -> None:
        await world.register(WEB)
        await world.ports.tokens.end_session(CODE)
        issued = await world.ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
        for token in (issued.access_token, issued.refresh_token or ""):
            assert await world.ports.tokens.describe(token) is None
        refresh = world.ports.issuer.refresh(issued.refresh_token or "", WEB, None)
        assert await refused_as(refresh) is ErrorCode.INVALID_GRANT

    async def test_a_revoked_clients_tokens_stop_working(
        self, world: OAuthWorld, issued: IssuedTokens
    ) -> None:
        await world.register(replace(WEB, revoked_at=world.clock.now()))
        for token in (issued.access_token, issued.refresh_token or ""):
            assert await world.ports.tokens.describe(token) is None
