"""Guessing passwords gets slow, for known and unknown accounts alike; the owner still gets in."""

import asyncio

import pytest

from headrace.audit.v1 import audit_pb2
from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.domain.announcements import OutboxEvent
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.lockout import ACCOUNT_POLICY, ADDRESS_POLICY, LoginFailures
from headrace_auth.testing.directory import ADMIN, MEMBER, OWNER, PASSWORD
from headrace_auth.use_cases.logins.login import Login
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

FREE = ACCOUNT_POLICY.free_failures
UNKNOWN = "stranger@acme.test"


def _from(address: str) -> Caller:
    return Caller(request_id="r", source_address=address)


async def _reason(login: Login, email: str, password: str, address: str = "192.0.2.1") -> Reason:
    with pytest.raises(HeadraceError) as caught:
        await login.log_in(_from(address), email, password)
    if caught.value.reason is Reason.LOGIN_THROTTLED:
        assert caught.value.retry_after_seconds is not None
        assert caught.value.retry_after_seconds > 0
    return caught.value.reason


@pytest.mark.parametrize("email", [OWNER.email, UNKNOWN])
async def test_after_the_free_failures_each_wait_doubles(
    login: Login, clock: FakeClock, email: str
) -> None:
    for _ in range(FREE + 1):
        assert await _reason(login, email, "wrong") is Reason.LOGIN_FAILED
    for wait in (1, 2, 4):
        assert await _reason(login, email, "wrong") is Reason.LOGIN_THROTTLED
        clock.advance(wait)
        assert await _reason(login, email, "wrong") is Reason.LOGIN_FAILED


async def test_while_it_waits_even_the_right_password_is_not_looked_at(
    login: Login, clock: FakeClock
) -> None:
    for _ in range(FREE + 1):
        await _reason(login, OWNER.email, "wrong")
    assert await _reason(login, OWNER.email, PASSWORD) is Reason.LOGIN_THROTTLED
    clock.advance(1)
    await login.log_in(_from("192.0.2.1"), OWNER.email, PASSWORD)


async def test_a_success_clears_the_account(login: Login) -> None:
    for _ in range(3):
        for _ in range(FREE):
            assert await _reason(login, OWNER.email, "wrong") is Reason.LOGIN_FAILED
        await login.log_in(_from("192.0.2.1"), OWNER.email, PASSWORD)


async def test_many_guesses_at_once_are_as_few_as_in_a_row(login: Login) -> None:
    reasons = await asyncio.gather(
        *(_reason(login, OWNER.email, "wrong", f"192.0.2.{n}") for n in range(FREE + 2))
    )
    assert reasons.count(Reason.LOGIN_FAILED) == FREE + 1


async def test_an_address_that_tries_many_accounts_waits_too(
    login: Login, clock: FakeClock
) -> None:
    for number in range(ADDRESS_POLICY.free_failures + 1):
        email = f"guess{number}@acme.test"
        assert await _reason(login, email, "wrong", "2001:db8::1") is Reason.LOGIN_FAILED
    # Another address of the same /64 is the same customer.
    assert await _reason(login, MEMBER.email, PASSWORD, "2001:db8::2") is Reason.LOGIN_THROTTLED
    await login.log_in(_from("2001:db8:0:1::1"), MEMBER.email, PASSWORD)
    # One good account does not wash the address clean.
    clock.advance(1)
    await login.log_in(_from("2001:db8::1"), ADMIN.email, PASSWORD)
    assert await _reason(login, UNKNOWN, "wrong", "2001:db8::1") is Reason.LOGIN_FAILED
    assert await _reason(login, UNKNOWN, "wrong", "2001:db8::1") is Reason.LOGIN_THROTTLED


async def test_who_tries_while_an_account_waits_is_soon_kept_out_but_the_account_waits_no_longer(
    login: Login, clock: FakeClock
) -> None:
    for _ in range(FREE + 1):
        assert await _reason(login, MEMBER.email, "wrong", "192.0.2.9") is Reason.LOGIN_FAILED
    for _ in range(ADDRESS_POLICY.free_failures - FREE):
        assert await _reason(login, MEMBER.email, "wrong", "192.0.2.9") is Reason.LOGIN_THROTTLED
    assert await _reason(login, OWNER.email, PASSWORD, "192.0.2.9") is Reason.LOGIN_THROTTLED
    await login.log_in(_from("192.0.2.1"), OWNER.email, PASSWORD)
    clock.advance(1)
    await login.log_in(_from("192.0.2.1"), MEMBER.email, PASSWORD)


async def test_an_address_that_waits_does_not_wait_longer_for_trying(
    login: Login, clock: FakeClock
) -> None:
    for number in range(ADDRESS_POLICY.free_failures + 1):
        await _reason(login, f"guess{number}@acme.test", "wrong")
    for _ in range(9):
        assert await _reason(login, OWNER.email, PASSWORD) is Reason.LOGIN_THROTTLED
    clock.advance(1)
    await login.log_in(_from("192.0.2.1"), OWNER.email, PASSWORD)


async def test_the_audit_hears_of_failures_and_of_the_first_wait(
    login: Login, store: MemoryStore
) -> None:
    for _ in range(FREE + 1):
        await _reason(login, OWNER.email, "wrong")
    events = [
        audit_pb2.AuditEvent.FromString(event.payload) for event in store.rows[OutboxEvent].values()
    ]
    operations = [event.operation for event in events]
    assert operations.count("login_failed") == FREE + 1
    assert operations.count("logins_throttled") == 1
    assert {event.kind for event in events} == {audit_pb2.EVENT_KIND_SECURITY}
    assert {event.outcome for event in events} == {audit_pb2.OUTCOME_REFUSED}
    assert {event.error_reason for event in events} == {"LOGIN_FAILED", "LOGIN_THROTTLED"}
    assert OWNER.email not in str(events)


async def test_no_address_stands_in_the_table(login: Login, store: MemoryStore) -> None:
    await _reason(login, OWNER.email, "wrong", "192.0.2.77")
    kept = repr(store.rows[LoginFailures])
    assert OWNER.email not in kept
    assert "192.0.2.77" not in kept
