"""However much ends at once, and while gateways ask: each learns of all of it, page by page."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.auth.v1 import auth_pb2, auth_pb2_grpc
from headrace_auth.domain.announcements import REVOCATIONS_IN_A_PAGE, Revocation
from headrace_auth.testing.directory import ACME, GLOBEX
from headrace_auth.testing.service import RunningAuth, running_auth
from headrace_auth.testing.suites import keep
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors
from headrace_common.testing.clock import FakeClock
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.domain.principal import Principal
from headrace_gateway.ports import EndedPage
from headrace_gateway.stages.revocations import OVERLAP, Ended

SECONDS = 30.0
LATEST, EARLIEST = 0, -round(OVERLAP.total_seconds()) + 1
Moments = st.lists(st.integers(EARLIEST, LATEST), max_size=8)
"""When something ended, in seconds from when it is committed: few, so that many are equal."""


@pytest.fixture
async def running() -> AsyncIterator[RunningAuth]:
    async with running_auth(FakeClock()) as running:
        yield running


class Busy:
    """Revocations over the real ones; before each page time passes and more is committed."""

    def __init__(
        self, running: RunningAuth, page_size: int, commits: list[tuple[int, list[int]]]
    ) -> None:
        self.committed: list[Revocation] = []
        self.sizes: list[int] = []
        self._client = AuthClient(running.channel, resolve_seconds=SECONDS, page_size=page_size)
        self._running = running
        self._commits = commits

    async def since(self, moment: datetime, page: str = "") -> EndedPage:
        if self._commits:
            seconds, moments = self._commits.pop()
            self._running.clock.advance(seconds)
            await self.commit(moments)
        found = await self._client.since(moment, page)
        self.sizes.append(len(found.ended))
        return found

    async def commit(self, seconds: list[int]) -> None:
        """As transactions do that began up to `OVERLAP` ago."""
        now = self._running.clock.now()
        for each in seconds:
            number = len(self.committed)
            place, name = (ACME, GLOBEX)[number % 2], f"session:{-number % 7}:{number}"
            self.committed.append(Revocation(place, name, now + timedelta(seconds=each)))
            await keep(self._running.store, self.committed[-1])


def principal(revocation: Revocation) -> Principal:
    return Principal(
        credential_id="c",
        user_id="u",
        organization_id=revocation.organization_id,
        scopes=frozenset(),
        revocation_ids=(revocation.revocation_id,),
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    page_size=st.integers(1, 9),
    before=Moments,
    commits=st.lists(st.tuples(st.integers(0, 9), Moments), max_size=6),
)
async def test_a_gateway_learns_of_all_that_ends_whenever_it_is_committed(
    running: RunningAuth,
    page_size: int,
    before: list[int],
    commits: list[tuple[int, list[int]]],
) -> None:
    running.store.rows.pop(Revocation, None)
    ended = Ended(busy := Busy(running, page_size, commits), running.clock, keep_seconds=600)
    await busy.commit(before)
    async with asyncio.timeout(SECONDS):
        while commits:
            await ended.refresh()
        # To the end of these pages, and once more from the beginning.
        for _ in range(2):
            while await ended.refresh():
                pass
    assert all(ended.has(principal(each)) for each in busy.committed)
    nothing = Revocation(ACME, "session:of nobody", running.clock.now())
    assert not ended.has(principal(nothing))
    assert max(busy.sizes) <= page_size


async def test_one_answer_is_bounded_whatever_is_asked_for(running: RunningAuth) -> None:
    now, stub = running.clock.now(), auth_pb2_grpc.AuthServiceStub(running.channel)
    count = REVOCATIONS_IN_A_PAGE + 1
    await keep(running.store, *(Revocation(ACME, f"session:{n}", now) for n in range(count)))
    for size in (0, REVOCATIONS_IN_A_PAGE):
        request = auth_pb2.ListRevocationsRequest(page_size=size)
        first = await stub.ListRevocations(request, timeout=5)
        assert len(first.revocations) == REVOCATIONS_IN_A_PAGE
        request.page_token = first.next_page_token
        last = await stub.ListRevocations(request, timeout=5)
        assert (len(last.revocations), last.next_page_token) == (1, "")
        told = {each.revocation_id for each in (*first.revocations, *last.revocations)}
        assert len(told) == count
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("auth"):
        await stub.ListRevocations(auth_pb2.ListRevocationsRequest(page_size=1001), timeout=5)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "page_size")


@pytest.mark.parametrize(
    "key",
    [
        ("2026-01-02", ACME, "session:1"),
        ("2026-01-02T03:04:05+14:00", ACME, "session:1"),
        ("x", ACME, "session:1"),
        ("2026-01-02T03:04:05+00:00", "x", "session:1"),
        ("2026-01-02T03:04:05+00:00", ACME, "session:\ud800"),
        ("2026-01-02T03:04:05+00:00", ACME, "\0"),
        ("2026-01-02T03:04:05+00:00", ACME),
    ],
)
async def test_a_place_that_is_none_is_refused(running: RunningAuth, key: tuple[str, ...]) -> None:
    stub = auth_pb2_grpc.AuthServiceStub(running.channel)
    token = base64.urlsafe_b64encode(json.dumps(key).encode()).decode()
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("auth"):
        await stub.ListRevocations(auth_pb2.ListRevocationsRequest(page_token=token), timeout=5)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, "page_token")
