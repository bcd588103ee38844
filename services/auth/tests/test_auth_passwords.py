"""Password hashes: normal form, renewal when the cost changes, and threads that step back."""

import os
import threading
import unicodedata

import pytest
from argon2.exceptions import InvalidHashError

from headrace_auth.crypto.passwords import PasswordCost, Passwords, hashing_threads

PASSWORD = "Überlauf-Kanal"
CHEAP = {"time_cost": 1, "memory_kib": 8, "parallelism": 1, "threads": 1, "maximum_pending": 8}


def niceness() -> tuple[int, int]:
    """The calling thread's id and niceness."""
    return threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def test_a_password_matches_however_its_accents_were_typed(passwords: Passwords) -> None:
    composed, decomposed = (unicodedata.normalize(form, PASSWORD) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert await passwords.verify(await passwords.hash(composed), decomposed)
    assert await passwords.verify(await passwords.hash(decomposed), composed)
    assert not await passwords.verify(await passwords.hash(composed), "Uberlauf-Kanal")


async def test_a_hash_of_todays_cost_is_kept(passwords: Passwords) -> None:
    assert not passwords.needs_rehash(await passwords.hash(PASSWORD))


@pytest.mark.parametrize(
    "change", [{"time_cost": 2}, {"memory_kib": 16}, {"memory_kib": 16, "parallelism": 2}]
)
async def test_a_hash_of_another_cost_still_matches_and_is_renewed(
    passwords: Passwords, change: dict[str, int]
) -> None:
    old = await passwords.hash(PASSWORD)
    changed = Passwords(PasswordCost(**{**CHEAP, **change}))
    assert changed.needs_rehash(old)
    assert await changed.verify(old, PASSWORD)
    renewed = await changed.hash(PASSWORD)
    assert not changed.needs_rehash(renewed)
    assert await changed.verify(renewed, PASSWORD)
    await changed.close()


def test_what_is_no_hash_is_not_passed_over(passwords: Passwords) -> None:
    with pytest.raises(InvalidHashError):
        passwords.needs_rehash("hash")


async def test_hashing_threads_step_back_for_the_event_loop() -> None:
    own, threads = niceness(), hashing_threads(PasswordCost(**CHEAP))
    thread, nice = await threads.run(niceness)
    await threads.close()
    assert thread != own[0]
    assert nice == 19
    assert niceness() == own
