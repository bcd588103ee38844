"""What a gateway does about a credential by itself: verify a token, look up a known principal."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.report import Target
from headrace_auth.adapters.memory import MemoryRevocationAnnouncer, MemoryStore
from headrace_auth.adapters.memory_nonces import MemoryNonces
from headrace_auth.app import build
from headrace_auth.crypto.passwords import Passwords
from headrace_auth.testing.settings import memory_settings
from headrace_common.clock import SystemClock
from headrace_common.testing.grpc import serving
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.testing.account_caller import AccountCaller

EMAIL, PASSWORD = "owner@headrace.invalid", "correct horse battery staple"
TOKENS, QUICK_TOKENS = 2000, 400
LOOK_UPS, QUICK_LOOK_UPS = 50_000, 10_000
WARM_UP = 100
COLD_MICROSECONDS, KNOWN_MICROSECONDS = 250.0, 10.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway's first stage with the real auth behind it, in this process."""

    nobody: AccountCaller
    key_set: KeySet
    identify: Identify


def known_credentials(*, quick: bool) -> Iterator[Measurement]:
    """With all that Identify does; nothing but the first look-up of each asks auth."""
    yield from uvloop.run(
        _measure(QUICK_TOKENS if quick else TOKENS, QUICK_LOOK_UPS if quick else LOOK_UPS)
    )


async def _measure(tokens: int, look_ups: int) -> list[Measurement]:
    async with _gateway() as gateway:
        made = [await _token(gateway) for _ in range(tokens + WARM_UP)]
        newest = made[-1]  # auth has ended the oldest sessions by now
        owner = AccountCaller(gateway.nobody.accounts, newest)
        key = (await owner.call("ApiKeyService/CreateApiKey", name="benchmark"))["secret"]
        for token in made[:WARM_UP]:
            gateway.key_set.verify(token)
        cold = _timed(gateway.key_set.verify, made[WARM_UP:])
        known_token = await _looked_up(gateway.identify, newest, look_ups)
        known_key = await _looked_up(gateway.identify, key, look_ups)
    return [
        _at_most("verify an access token, cold", cold, COLD_MICROSECONDS),
        _at_most("identify by a known access token", known_token, KNOWN_MICROSECONDS),
        _at_most("identify by a known API key", known_key, KNOWN_MICROSECONDS),
    ]


def _at_most(name: str, seconds: list[float], microseconds: float) -> Measurement:
    latency = Summary.of(seconds)
    median = None if latency.p50 is None else latency.p50 * 1e6
    target = Target(f"{name}, p50 in us", median, microseconds, at_most=True)
    return Measurement(name, latency, (target,))


def _timed(verify: Callable[[str], None], tokens: Iterable[str]) -> list[float]:
    seconds = []
    for token in tokens:
        started = perf_counter()
        verify(token)
        seconds.append(perf_counter() - started)
    return seconds


async def _looked_up(identify: Identify, credential: str, times: int) -> list[float]:
    now = SystemClock().now()
    exchange = Exchange("r1", Activity.MODEL_LIST, "GET", "127.0.0.1", credential, now, 0.0)
    seconds = []
    for _ in range(times + WARM_UP):
        started = perf_counter()
        await identify.run(exchange)
        seconds.append(perf_counter() - started)
    return seconds[WARM_UP:]


async def _token(gateway: Gateway) -> str:
    return (await gateway.nobody.logged_in(EMAIL, PASSWORD)).credential


@asynccontextmanager
async def _gateway() -> AsyncIterator[Gateway]:
    # Its logins cost next to nothing: they are not what is measured here.
    settings = memory_settings(bootstrap_email=EMAIL, bootstrap_password=PASSWORD)
    clock, passwords = SystemClock(), Passwords(settings.password_cost())
    auth = await build(
        settings,
        store=MemoryStore(clock),
        announcer=MemoryRevocationAnnouncer(),
        nonces=MemoryNonces(clock),
        passwords=passwords,
        registry=CollectorRegistry(),
        clock=clock,
    )
    async with serving(auth.registrations) as channel:
        client = AuthClient(channel, resolve_seconds=5)
        nobody = AccountCaller(GrpcAccounts(channel, seconds=5))
        key_set = KeySet(client, clock)
        identify = Identify(
            client,
            key_set,
            clock,
            Ended(client, clock, keep_seconds=600),
            fresh_seconds=60,
            stale_seconds=600,
            maximum_strangers=8,
        )
        fetching = asyncio.create_task(key_set.keep_fresh())
        try:
            async with asyncio.timeout(5):
                await key_set.known.wait()
            yield Gateway(nobody, key_set, identify)
        finally:
            fetching.cancel()
            await asyncio.wait([fetching])
            await passwords.close()
