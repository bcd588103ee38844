"""How soon a second gateway refuses a key that was revoked at the first one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import uvloop

from benchmarks.auth_service import EMAIL, PASSWORD, AuthProcess, auth_process
from benchmarks.load import Summary
from benchmarks.measurements import Measurement
from benchmarks.report import Target
from headrace_common.clock import SystemClock
from headrace_common.errors import HeadraceError, Kind
from headrace_common.grpc_client import create_channel
from headrace_gateway.adapters.account_calls import GrpcAccounts
from headrace_gateway.adapters.auth_grpc import AuthClient
from headrace_gateway.adapters.key_set import KeySet
from headrace_gateway.adapters.redis_limiter import RedisLimiter
from headrace_gateway.domain.admission import Demand
from headrace_gateway.domain.exchange import Activity, Exchange
from headrace_gateway.stages.identify import Identify
from headrace_gateway.stages.revocations import Ended
from headrace_gateway.testing.account_caller import AccountCaller

TIMES, QUICK_TIMES = 100, 20
ASK_AGAIN_SECONDS, GIVE_UP_SECONDS = 0.002, 10.0
WANTED_SECONDS = 1.0
Refuses = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class SecondGateway:
    """What a gateway keeps of credentials, and what it asks of others."""

    identify: Identify
    limiter: RedisLimiter
    clock: SystemClock

    async def refuses(self, key: str) -> bool:
        """As while Redis is down: it knows only what it remembers and what `auth` tells it."""
        now = self.clock.now()
        exchange = Exchange("r1", Activity.MODEL_LIST, "GET", "127.0.0.1", key, now, 0.0)
        try:
            await self.identify.run(exchange)
        except HeadraceError as error:
            if error.kind is not Kind.UNAUTHENTICATED:
                raise
            return True
        return False

    async def refuses_with_redis(self, key: str) -> bool:
        """As every request: admission's script looks for markers, too."""
        now = self.clock.now()
        exchange = Exchange("r1", Activity.MODEL_LIST, "GET", "127.0.0.1", key, now, 0.0)
        if await self.refuses(key):
            return True
        principal = await self.identify.run(exchange)
        wanted = Demand(exchange.request_id, principal.organization_id, ())
        return (await self.limiter.admit(principal, wanted)).revoked


def revocations(*, quick: bool) -> Iterator[Measurement]:
    """Over one auth process with PostgreSQL and Redis; raises ContestantError."""
    times = QUICK_TIMES if quick else TIMES
    with auth_process(keys=2 * times) as auth:
        yield from uvloop.run(_measure(auth, times))


async def _measure(auth: AuthProcess, times: int) -> list[Measurement]:
    async with _two_gateways(auth) as (first, second):
        with_redis = [
            await _seconds(first, second.refuses_with_redis, *key) for key in auth.keys[:times]
        ]
        without = await asyncio.gather(
            *(_later(n, first, second.refuses, *key) for n, key in enumerate(auth.keys[times:]))
        )
    return [
        _measurement("a second gateway refuses a revoked key", with_redis),
        _measurement("the same, while Redis is down", without),
    ]


async def _later(number: int, first: AccountCaller, refuses: Refuses, *key: str) -> float:
    """Spread over the second between two polls."""
    await asyncio.sleep(number * 0.083)
    return await _seconds(first, refuses, *key)


async def _seconds(first: AccountCaller, refuses: Refuses, key_id: str, key: str) -> float:
    """From the revocation's answer to the first refusal."""
    if await refuses(key):
        raise RuntimeError("the key is refused before it is revoked")
    await first.call("ApiKeyService/RevokeApiKey", api_key_id=key_id)
    revoked_at = perf_counter()
    while not await refuses(key):
        if perf_counter() - revoked_at > GIVE_UP_SECONDS:
            break
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    return perf_counter() - revoked_at


@asynccontextmanager
async def _two_gateways(auth: AuthProcess) -> AsyncIterator[tuple[AccountCaller, SecondGateway]]:
    one, two, clock = create_channel(auth.target), create_channel(auth.target), SystemClock()
    nobody = AccountCaller(GrpcAccounts(one, seconds=5))
    client = AuthClient(two, resolve_seconds=2)
    ended = Ended(client, clock, keep_seconds=600)
    identify = Identify(
        client,
        KeySet(client, clock),
        clock,
        ended,
        # Nothing is forgotten by itself while this is measured.
        fresh_seconds=600,
        stale_seconds=600,
        maximum_strangers=2 * TIMES,
    )
    limiter = RedisLimiter(auth.redis_url, timeout_seconds=1)
    polling = asyncio.create_task(ended.keep_fresh())
    try:
        first = await nobody.logged_in(EMAIL, PASSWORD)
        yield first, SecondGateway(identify, limiter, clock)
    finally:
        polling.cancel()
        await asyncio.wait([polling])
        await limiter.close()
        await one.close()
        await two.close()


def _measurement(name: str, seconds: list[float]) -> Measurement:
    longest = max(seconds)
    target = Target(f"{name}, longest in s", longest, WANTED_SECONDS, at_most=True)
    return Measurement(name=name, latency=Summary.of(seconds), targets=(target,))
