"""What the audit hears of applications: their registration, their sessions, and their thieves."""

import json
from dataclasses import replace
from typing import Any

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.crypto.tokens import AccessTokens
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.oauth_clients import OAuthClient
from headrace_auth.oauth.errors import OAuthError
from headrace_auth.oauth.ports import OAuthPorts
from headrace_auth.testing.callers import caller_of
from headrace_auth.testing.directory import ACME, ADMIN, GLOBEX, MEMBER
from headrace_auth.testing.notices import credential_notices
from headrace_auth.testing.oauth_suites import CODE, SESSION
from headrace_auth.testing.oauth_world import WEB
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.oauth.manage_clients import ClientManager
from headrace_auth.use_cases.oauth.store import StoredOAuth
from headrace_auth.use_cases.sessions.open_sessions import SessionOpener
from headrace_common.testing.clock import FakeClock

APPLICATION = Caller("req_1", "192.0.2.7", "app/1")


@pytest.fixture
async def ports(
    acts: Acts, store: MemoryStore, opener: SessionOpener, tokens: AccessTokens, clock: FakeClock
) -> OAuthPorts:
    async with store.begin() as transaction:
        await transaction.of(OAuthClient).add(WEB)
    return StoredOAuth(acts, store.principals, opener, tokens, clock).ports(APPLICATION)


def told(store: MemoryStore) -> list[audit_pb2.AuditEvent]:
    waiting: dict[Any, OutboxEvent] = store.rows.get(OutboxEvent, {})
    return [audit_pb2.AuditEvent.FromString(each.payload) for each in waiting.values()]


def operations(store: MemoryStore) -> list[str]:
    return [event.operation for event in told(store)]


async def test_a_code_and_its_session_are_told_with_their_person(
    ports: OAuthPorts, store: MemoryStore
) -> None:
    await ports.codes.put(CODE)
    await ports.codes.take(CODE.code_sha256)
    issued = await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    await ports.issuer.refresh(issued.refresh_token or "", WEB, None)
    assert operations(store) == ["authorization_code.create", "session.create"]
    for event in told(store):
        assert (event.actor.user_id, event.actor.organization_id) == (MEMBER.user_id, ACME)
        assert (event.request_id, event.source_address) == ("req_1", "192.0.2.7")
    assert json.loads(told(store)[1].change.after_json)["client_id"] == WEB.client_id
    payloads = b"".join(event.SerializeToString() for event in told(store))
    for secret in (issued.access_token, issued.refresh_token or "", CODE.code_challenge):
        assert secret.encode() not in payloads


@pytest.mark.parametrize("begun", [True, False])
async def test_a_replayed_code_is_told_and_ends_its_session(
    ports: OAuthPorts, store: MemoryStore, announcer: MemoryRevocationAnnouncer, begun: bool
) -> None:
    if begun:
        await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    await ports.tokens.end_session(CODE)
    [event] = [each for each in told(store) if each.operation == "authorization_code_replayed"]
    assert event.kind == audit_pb2.EVENT_KIND_SECURITY
    assert event.outcome == audit_pb2.OUTCOME_REFUSED
    assert (event.resource, event.actor.user_id) == (f"session:{SESSION}", MEMBER.user_id)
    assert (ACME, f"session:{SESSION}") in announcer.announced
    if not begun:
        await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    assert "session.end_after_replay" in operations(store)


async def test_a_reused_refresh_token_is_told_and_ends_its_session(
    ports: OAuthPorts, store: MemoryStore, announcer: MemoryRevocationAnnouncer
) -> None:
    issued = await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    await ports.issuer.refresh(issued.refresh_token or "", WEB, None)
    for _ in range(2):
        with pytest.raises(OAuthError):
            await ports.issuer.refresh(issued.refresh_token or "", WEB, None)
    assert operations(store).count("refresh_token_reused") == 1
    assert operations(store).count("session.end_after_reuse") == 1
    # Wherever the person is a member, for the token could have been shown there.
    for organization_id in (ACME, GLOBEX):
        assert (organization_id, f"session:{SESSION}") in announcer.announced


async def test_another_clients_attempt_ends_nothing(ports: OAuthPorts, store: MemoryStore) -> None:
    issued = await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    await ports.issuer.refresh(issued.refresh_token or "", WEB, None)
    thief = replace(WEB, client_id="thief")
    with pytest.raises(OAuthError):
        await ports.issuer.refresh(issued.refresh_token or "", thief, None)
    assert "refresh_token_reused" not in operations(store)


async def test_a_revoked_token_is_announced(
    ports: OAuthPorts, announcer: MemoryRevocationAnnouncer
) -> None:
    issued = await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    described = await ports.tokens.describe(issued.access_token)
    assert described is not None
    await ports.tokens.end(issued.access_token, WEB.client_id)
    assert announcer.announced == [(ACME, described.token_id)]


async def test_administration_is_told_without_secrets(
    acts: Acts, store: MemoryStore, ports: OAuthPorts
) -> None:
    admin, clients = await caller_of(store, ADMIN), ClientManager(acts, credential_notices())
    await ports.issuer.issue_for_user(CODE, WEB, refreshable=True)
    secret = (await clients.rotate_secret(admin, WEB.client_id)).secret
    await clients.revoke(admin, WEB.client_id)
    assert operations(store)[1:] == [
        "client.rotate_secret",
        "client.revoke",
        "session.end",
    ]
    rotated, ended = told(store)[1], told(store)[-1]
    assert json.loads(ended.change.after_json)["user_id"] == CODE.user_id != ADMIN.user_id
    assert (ended.actor.user_id, ended.actor.organization_id) == (ADMIN.user_id, ACME)
    assert rotated.resource == f"client:{WEB.client_id}"
    assert rotated.actor.user_id == ADMIN.user_id
    assert secret.encode() not in rotated.SerializeToString()
    assert "secret_sha256" not in rotated.change.after_json
