"""Starting: the first owner, and metrics from zero."""

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.domain.principal import Role
from headrace_auth.metrics import OUTCOMES, AuthMetrics, counting
from headrace_auth.testing.directory import PASSWORD
from headrace_auth.use_cases.start import ensure_first_owner
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


async def test_the_first_owner_can_be_found_and_owns(
    passwords: Passwords, clock: FakeClock
) -> None:
    store = MemoryStore()
    await ensure_first_owner(store, passwords, clock, email=" Root@Acme.test", password=PASSWORD)
    account = await store.users.account("root@acme.test")
    assert account is not None
    assert account.organization_id is not None
    assert await passwords.verify(account.password_hash, PASSWORD)
    member = await store.users.member(account.user_id, account.organization_id)
    assert member is not None
    assert member.role is Role.OWNER


async def test_racing_and_later_starts_change_nothing(
    passwords: Passwords, clock: FakeClock
) -> None:
    store = MemoryStore()

    async def start(number: int) -> None:
        email = f"root{number}@acme.test"
        await ensure_first_owner(store, passwords, clock, email=email, password=PASSWORD)

    await asyncio.gather(*map(start, range(5)))
    users = dict(store.tables.users)
    assert len(users) == 1
    (user,) = users.values()
    before = user.password_hash
    await ensure_first_owner(store, passwords, clock, email=user.email, password="changed" * 3)
    assert store.tables.users == users
    assert user.password_hash == before


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
