"""API keys resolved while many people log in at the same time."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import ip_address
from time import perf_counter

from benchmarks.auth_resolution import WARM_UP_SECONDS, resolve
from benchmarks.auth_service import AuthProcess, auth_process
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.processes import ContestantError
from benchmarks.report import Target
from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_client import create_channel
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.testing.account_caller import AccountCaller

LOGINS, RESOLVERS, KEYS = 50, 4, 64
SECONDS, QUICK_SECONDS, LOGIN_SECONDS = 8.0, 3.0, 60.0
WANTED_SECONDS = 0.020
NAME = f"resolve an API key, {RESOLVERS} at once, while {LOGINS} logins are in flight"
LOGINS_NAME = f"log in, {LOGINS} at once, beside these resolutions"


def resolutions_during_logins(*, quick: bool) -> Iterator[Measurement]:
    """The logins cost what argon2id costs by default; raises ContestantError."""
    with auth_process(keys=KEYS, MAXIMUM_PENDING_LOGINS="64") as auth:
        resolve(auth, WARM_UP_SECONDS, RESOLVERS)
        stop, in_flight = threading.Event(), threading.Event()
        with ThreadPoolExecutor(1) as pool:
            logins = pool.submit(lambda: asyncio.run(_log_in(auth, stop, in_flight)))
            try:
                if not in_flight.wait(LOGIN_SECONDS):
                    raise ContestantError("no login was answered")
                outcome = resolve(auth, QUICK_SECONDS if quick else SECONDS, RESOLVERS)
            finally:
                stop.set()
            login_seconds = logins.result()
    p99 = outcome.latency.p99
    target = Target(
        "resolution p99 in ms while 50 logins are in flight",
        p99 * 1000 if p99 is not None else float("inf"),
        WANTED_SECONDS * 1000,
        at_most=True,
    )
    yield Measurement(
        name=NAME,
        latency=outcome.latency,
        targets=(target,),
        per_second=outcome.per_second,
        errors=outcome.errors,
        first_error=outcome.first_error,
    )
    yield Measurement(LOGINS_NAME, Summary.of(login_seconds), ())


async def _log_in(
    auth: AuthProcess, stop: threading.Event, in_flight: threading.Event
) -> list[float]:
    """How long each login took, in seconds."""
    channel = create_channel(auth.target)
    nobody = AccountCaller(GrpcAccounts(channel, seconds=LOGIN_SECONDS))
    seconds: list[float] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(LOGINS):
                group.create_task(_keep_failing(nobody, stop, in_flight, seconds))
    finally:
        await channel.close()
    return seconds


async def _keep_failing(
    nobody: AccountCaller, stop: threading.Event, in_flight: threading.Event, seconds: list[float]
) -> None:
    """Log in as somebody new from elsewhere each time.

    It costs a whole verification, and nothing throttles it.
    """
    while not stop.is_set():
        somebody = replace(nobody, source_address=str(ip_address(secrets.token_bytes(4))))
        started = perf_counter()
        try:
            await somebody.logged_in(f"{secrets.token_hex(8)}@headrace.invalid", "wrong")
        except HeadraceError as error:
            if error.reason is not Reason.LOGIN_FAILED:
                raise ContestantError(f"a login failed otherwise: {error.message}") from error
            in_flight.set()
        seconds.append(perf_counter() - started)
