"""Login: who gets in, that failures cannot be told apart, and that the work is bounded."""

import asyncio
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from headrace_auth.adapters.memory import MemoryStore
from headrace_auth.crypto.passwords import PasswordCost, Passwords, hashing_threads
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import User
from headrace_auth.domain.principal import CredentialKind, Role
from headrace_auth.domain.rights import SCOPES_OF_ROLE
from headrace_auth.testing.directory import (
    ACME,
    AUDITOR,
    HOMELESS,
    MEMBER,
    MEMBER_BUDGETS,
    MEMBER_LIMITS,
    OWNER,
    PASSWORD,
    SERVICE,
)
from headrace_auth.use_cases.credentials.resolve import CredentialResolver
from headrace_auth.use_cases.logins.login import Login
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock


async def test_a_login_gives_a_token_for_the_oldest_organisation(
    login: Login, resolver: CredentialResolver, clock: FakeClock
) -> None:
    result = await login.log_in(Caller(), MEMBER.email, PASSWORD)
    principal = await resolver.resolve(result.access_token)
    assert principal == result.principal
    assert principal.credential_kind is CredentialKind.ACCESS_TOKEN
    assert (principal.member.user_id, principal.member.organization_id) == (MEMBER.user_id, ACME)
    assert principal.member.role is Role.MEMBER
    assert set(principal.limits) == set(MEMBER_LIMITS)
    assert principal.budgets == MEMBER_BUDGETS
    assert principal.expires_at == clock.now() + timedelta(seconds=result.expires_in_seconds)


async def test_a_role_gets_its_scopes_and_no_others(login: Login) -> None:
    result = await login.log_in(Caller(), AUDITOR.email, PASSWORD)
    assert result.principal.scopes == SCOPES_OF_ROLE[Role.AUDITOR]


@pytest.mark.parametrize("address", ["OWNER@acme.test", " Owner@Acme.Test "])
async def test_case_and_outer_spaces_of_an_address_do_not_matter(
    login: Login, address: str
) -> None:
    assert (
        await login.log_in(Caller(), address, PASSWORD)
    ).principal.member.user_id == OWNER.user_id


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (OWNER.email, PASSWORD + " "),
        (OWNER.email, PASSWORD.upper()),
        (OWNER.email, "\0"),
        ("stranger@acme.test", PASSWORD),
        ("' OR 1=1 --@acme.test", PASSWORD),
        (HOMELESS.email, PASSWORD),
        (HOMELESS.email, "wrong"),
        (SERVICE.email, PASSWORD),
    ],
)
async def test_failures_read_the_same(login: Login, email: str, password: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        await login.log_in(Caller(), email, password)
    assert caught.value.reason is Reason.LOGIN_FAILED
    assert caught.value.message == "Wrong e-mail address, password or code."
    assert caught.value.param is None


@pytest.mark.parametrize(
    ("email", "password", "param"),
    [
        ("", PASSWORD, "email"),
        ("x" * 255 + "@acme.test", PASSWORD, "email"),
        ("owner@acme.test\0", PASSWORD, "email"),
        ("owner\r\nbcc@acme.test", PASSWORD, "email"),
        ("no-at-sign", PASSWORD, "email"),
        ("@", PASSWORD, "email"),
        (OWNER.email, "", "password"),
        (OWNER.email, "x" * 1025, "password"),
    ],
)
async def test_impossible_fields_are_named(
    login: Login, email: str, password: str, param: str
) -> None:
    with pytest.raises(HeadraceError) as caught:
        await login.log_in(Caller(), email, password)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_FIELD, param)


async def test_an_unknown_account_costs_a_verification_too() -> None:
    cost = PasswordCost(8, 8192, 1, threads=1, maximum_pending=8)
    threads = hashing_threads(cost)
    slow = Passwords(cost, threads)
    stored = await slow.hash(PASSWORD)

    async def cpu_seconds(password_hash: str | None) -> float:
        # Of the one thread that hashes: what else runs on the machine does not count.
        started = await threads.run(time.thread_time)
        assert not await slow.verify(password_hash, "wrong")
        return await threads.run(time.thread_time) - started

    pairs = [(await cpu_seconds(stored), await cpu_seconds(None)) for _ in range(5)]
    known, unknown = (min(column) for column in zip(*pairs, strict=True))
    assert 0.5 < unknown / known < 2
    await slow.close()


async def test_logins_beyond_the_bound_are_shed_and_the_loop_stays_free() -> None:
    cost = PasswordCost(1, 8, 1, threads=1, maximum_pending=2)
    threads = hashing_threads(cost)
    passwords = Passwords(cost, threads)
    gate = threading.Event()
    blocked = [asyncio.create_task(threads.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(HeadraceError) as caught:
        await passwords.verify(None, "x")
    assert caught.value.reason is Reason.QUEUE_FULL
    assert caught.value.retry_after_seconds is not None
    gate.set()
    await asyncio.gather(*blocked)
    assert not await passwords.verify(None, "x")
    await passwords.close()


async def test_a_cancelled_login_counts_until_its_thread_is_done() -> None:
    cost = PasswordCost(1, 8, 1, threads=1, maximum_pending=1)
    threads = hashing_threads(cost)
    passwords = Passwords(cost, threads)
    started, gate = threading.Event(), threading.Event()

    def work() -> bool:
        started.set()
        return gate.wait()

    task = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(started.wait, 5)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(HeadraceError):
        await passwords.verify(None, "x")
    gate.set()
    await passwords.close()


async def test_a_raised_token_version_ends_older_tokens(
    login: Login, resolver: CredentialResolver, store: MemoryStore
) -> None:
    old = (await login.log_in(Caller(), OWNER.email, PASSWORD)).access_token
    user = store.rows[User][OWNER.user_id,]
    store.rows[User][OWNER.user_id,] = replace(user, token_version=user.token_version + 1)
    with pytest.raises(HeadraceError) as caught:
        await resolver.resolve(old)
    assert caught.value.reason is Reason.CREDENTIAL_INVALID
    new = (await login.log_in(Caller(), OWNER.email, PASSWORD)).access_token
    assert (await resolver.resolve(new)).member.user_id == OWNER.user_id


async def test_secrets_are_not_in_reprs(login: Login, store: MemoryStore) -> None:
    result = await login.log_in(Caller(), OWNER.email, PASSWORD)
    user = store.rows[User][OWNER.user_id,]
    assert result.access_token not in repr(result)
    assert user.password_hash not in repr(user)
