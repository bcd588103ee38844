"""What the gateway asks of auth on every request, against the real AuthService."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest

from headrace.auth.v1 import api_keys_pb2, api_keys_pb2_grpc
from headrace_auth.domain.announcements import Revocation
from headrace_auth.domain.api_keys import ApiKey
from headrace_auth.domain.principal import Role
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.testing.directory import ACME, ACME_TEAM, GLOBEX, MEMBER
from headrace_auth.testing.refusals import refusal
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_auth.testing.suites import keep
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.principal import Budget, BudgetPeriod, Limit, LimitKind, Principal
from headrace_gateway.stages.revocations import Ended

REQUESTS, TOKENS = LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE
MEMBER_LIMITS = (
    Limit(REQUESTS, f"organization:{ACME}", 1000),
    Limit(TOKENS, f"team:{ACME_TEAM}", 50_000, "smollm2"),
    Limit(LimitKind.CONCURRENT_REQUESTS, f"user:{MEMBER.user_id}", 4),
)
BUDGETS = (Budget(f"organization:{ACME}", 10_000_000, "EUR", BudgetPeriod.MONTH, "Europe/Berlin"),)


@pytest.fixture
async def running(clock: FakeClock) -> AsyncIterator[RunningAuth]:
    async with running_auth(clock) as running:
        yield running


@pytest.fixture
def auth(running: RunningAuth) -> AuthClient:
    return AuthClient(running.channel, resolve_seconds=5)


async def test_a_token_resolves_to_its_person_with_names_for_its_end(
    running: RunningAuth, auth: AuthClient, clock: FakeClock
) -> None:
    principal = await auth.resolve(await running.token_of(MEMBER.email))
    assert principal == Principal(
        credential_id=principal.credential_id,
        user_id=MEMBER.user_id,
        organization_id=ACME,
        scopes=frozenset(SCOPES_OF_ROLE[Role.MEMBER]),
        allowed_models=frozenset(),
        limits=MEMBER_LIMITS,
        budgets=BUDGETS,
        expires_at=clock.now() + timedelta(minutes=30),
        revocation_ids=principal.revocation_ids,
    )
    assert principal.credential_id
    assert set(principal.revocation_ids) >= {
        principal.credential_id,
        f"user:{MEMBER.user_id}:1",
        f"member:{MEMBER.user_id}:1",
        "organization:1",
    }


@pytest.mark.parametrize("credential", ["x", "hr_x", "a.b.c", "hr_\N{SNOWMAN}"])
async def test_a_wrong_credential_is_invalid(auth: AuthClient, credential: str) -> None:
    assert (await refusal(auth.resolve(credential))).reason is Reason.CREDENTIAL_INVALID


async def test_a_keys_networks_arrive(running: RunningAuth, auth: AuthClient) -> None:
    metadata = await running.bearer_of(MEMBER.email)
    created = await api_keys_pb2_grpc.ApiKeyServiceStub(running.channel).CreateApiKey(
        api_keys_pb2.CreateApiKeyRequest(name="office"), metadata=metadata, timeout=5
    )
    [key] = running.store.rows[ApiKey].values()
    networks = ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32")
    running.store.rows[ApiKey][key.api_key_id,] = replace(key, allowed_networks=networks)
    principal = await auth.resolve(created.secret)
    assert principal.allowed_networks == tuple(ip_network(each) for each in networks)
    principal.require_network("198.51.100.7")
    with pytest.raises(HeadraceError):
        principal.require_network("198.51.100.8")


async def test_what_ended_is_told_from_a_moment_on(
    running: RunningAuth, auth: AuthClient, clock: FakeClock
) -> None:
    none = await auth.since(clock.now())
    assert (list(none.ended), none.now, none.next_page) == ([], clock.now(), "")
    clock.advance(1)
    ended = Revocation(ACME, "session:s1", clock.now())
    await keep(running.store, ended, Revocation(GLOBEX, "session:s1", clock.now()))
    told = await auth.since(none.now)
    assert sorted(told.ended) == [(ACME, "session:s1"), (GLOBEX, "session:s1")]
    assert list((await auth.since(told.now)).ended) == []


async def test_what_ends_at_auth_has_ended_at_the_gateway_after_its_next_question(
    running: RunningAuth, auth: AuthClient, clock: FakeClock
) -> None:
    known = Ended(auth, clock, keep_seconds=600)
    principal = await auth.resolve(await running.token_of(MEMBER.email))
    await known.refresh()
    assert not known.has(principal)
    ended = Revocation(ACME, f"member:{MEMBER.user_id}:1", clock.now())
    await keep(running.store, ended)  # at the very moment of the question before
    await known.refresh()
    assert known.has(principal)
