"""Starting: the first owner, and metrics from zero."""

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from headrace.audit.v1.audit_pb2 import AuditEvent
from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.directory import Organization, User, UserKind
from headrace_auth.domain.principal import Role
from headrace_auth.metrics import OUTCOMES, AuthMetrics, counting
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.use_cases.acts import Acts
from headrace_auth.use_cases.start import ensure_first_owner
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    """Empty."""
    return MemoryStore(clock)


async def test_the_first_owner_can_be_found_and_owns_the_platform(
    store: MemoryStore, acts: Acts, passwords: Passwords
) -> None:
    assert await ensure_first_owner(acts, passwords, email=" Root@Acme.test", password=PASSWORD)
    [user] = store.rows[User].values()
    [organization] = store.rows[Organization].values()
    assert (user.email, user.kind) == ("root@acme.test", UserKind.PERSON)
    assert user.email_verified_at is not None
    assert await passwords.verify(user.password_hash, PASSWORD)
    member = await store.principals.member(user.user_id, organization.organization_id)
    assert member is not None
    assert (member.role, member.in_platform) == (Role.OWNER, True)


async def test_the_first_owners_making_is_told_in_its_own_name(
    store: MemoryStore, acts: Acts, passwords: Passwords
) -> None:
    await ensure_first_owner(acts, passwords, email="root@acme.test", password=PASSWORD)
    [user] = store.rows[User].values()
    events = [AuditEvent.FromString(each.payload) for each in store.rows[OutboxEvent].values()]
    told = {event.operation: event for event in events}
    assert set(told) == {"organization.create", "user.create", "membership.create"}
    assert {event.actor.user_id for event in events} == {user.user_id}
    assert PASSWORD.encode() not in b"".join(event.SerializeToString() for event in events)
    assert "argon2" not in told["user.create"].change.after_json


async def test_racing_and_later_starts_change_nothing(
    store: MemoryStore, acts: Acts, passwords: Passwords
) -> None:
    async def start(number: int) -> bool:
        email = f"root{number}@acme.test"
        return await ensure_first_owner(acts, passwords, email=email, password=PASSWORD)

    assert sorted(await asyncio.gather(*map(start, range(5)))) == [False] * 4 + [True]
    before = {kind: dict(rows) for kind, rows in store.rows.items()}
    [user] = before[User].values()
    assert not await ensure_first_owner(acts, passwords, email=user.email, password="changed" * 3)
    assert store.rows == before


def _value(registry: CollectorRegistry, name: str, outcome: str) -> float | None:
    return registry.get_sample_value(name, {"outcome": outcome})


def test_metrics_are_there_from_zero() -> None:
    registry = CollectorRegistry()
    AuthMetrics(registry)
    for name in ("headrace_auth_logins_total", "headrace_auth_resolutions_total"):
        assert [_value(registry, name, outcome) for outcome in OUTCOMES] == [0.0] * len(OUTCOMES)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (HeadraceError(Reason.LOGIN_FAILED, ""), "refused"),
        (HeadraceError(Reason.INVALID_FIELD, ""), "refused"),
        (HeadraceError(Reason.QUEUE_FULL, ""), "overloaded"),
        (HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, ""), "unavailable"),
        (ValueError(), "failed"),
    ],
)
def test_each_end_is_counted_once(error: Exception | None, outcome: str) -> None:
    registry = CollectorRegistry()
    metrics = AuthMetrics(registry)
    with suppress(HeadraceError, ValueError), counting(metrics.logins):
        if error is not None:
            raise error
    counts = {name: _value(registry, "headrace_auth_logins_total", name) for name in OUTCOMES}
    assert counts == {name: float(name == outcome) for name in OUTCOMES}
