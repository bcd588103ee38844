"""What gateways are told beside what was set: limits of the tier, and prices."""

import asyncio
from dataclasses import replace

import pytest

from headrace_auth.adapters.memory import MemoryPrincipals, MemoryStore
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import (
    CredentialKind,
    Limit,
    LimitKind,
    Member,
    Principal,
    Role,
    Subject,
    Tier,
)
from headrace_auth.domain.tiers import check_tier_limits
from headrace_auth.servicers.messages import principal_message
from headrace_auth.servicers.price_messages import PriceMessages
from headrace_auth.testing.allowance_suite import HOUR, allowances, keep_prices
from headrace_auth.testing.directory import MEMBER_BUDGETS
from headrace_auth.testing.refusals import refused
from headrace_auth.use_cases.credentials.allowances import Allowances
from headrace_common.errors import HeadraceError, Reason
from headrace_common.testing.clock import FakeClock

SPENDER = Principal(
    "k",
    CredentialKind.API_KEY,
    Member("u", "o", Role.MEMBER, token_version=1, price_version=1),
    frozenset(),
    limits=(),
    budgets=MEMBER_BUDGETS,
)


class WatchedStore(MemoryStore):
    """Counts the price tables that are read, and can be out of order."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.principals = self.watched = WatchedPrincipals(self)


class WatchedPrincipals(MemoryPrincipals):
    """Of a WatchedStore."""

    read = 0
    is_down = False

    async def price_table(self, version: int) -> PriceTable | None:
        self.read += 1
        await asyncio.sleep(0)  # as over a wire: others may ask meanwhile
        if self.is_down:
            raise HeadraceError(Reason.DEPENDENCY_UNAVAILABLE, "down", retry_after_seconds=1)
        return await super().price_table(version)


@pytest.fixture
async def store(clock: FakeClock) -> WatchedStore:
    store = WatchedStore(clock)
    await keep_prices(store, 1, -HOUR, "smollm2", "other")
    return store


def _of_version(version: int, principal: Principal = SPENDER) -> Principal:
    return replace(principal, member=replace(principal.member, price_version=version))


async def test_a_version_is_read_once_however_many_ask(store: WatchedStore) -> None:
    told = allowances(store)
    found = await asyncio.gather(*(told.complete(SPENDER) for _ in range(5)))
    assert len({id(each.prices) for each in found}) == 1
    assert store.watched.read == 1
    await keep_prices(store, 2, -HOUR)
    for _ in range(2):
        later = await told.complete(_of_version(2))
        assert later.prices is not None
        assert later.prices.version == 2
    assert store.watched.read == 2


async def test_prices_that_cannot_be_read_are_not_left_out(store: WatchedStore) -> None:
    told = allowances(store)
    store.watched.is_down = True
    assert await refused(told.complete(SPENDER)) is Reason.DEPENDENCY_UNAVAILABLE
    store.watched.is_down = False
    assert (await told.complete(SPENDER)).prices is not None
    store.watched.is_down = True
    assert (await told.complete(SPENDER)).prices is not None  # they are known by now


async def test_a_table_that_is_in_force_and_not_there_is_a_fault(store: WatchedStore) -> None:
    with pytest.raises(LookupError, match="price table 7"):
        await allowances(store).complete(_of_version(7))


async def test_only_models_that_may_be_used_have_prices(store: WatchedStore) -> None:
    told = allowances(store)
    for models, priced in (((), {"smollm2", "other"}), (("other", "free"), {"other"})):
        found = await told.complete(replace(SPENDER, allowed_models=models))
        assert found.prices is not None
        assert set(found.prices.prices) == priced
        assert (found.prices.version, found.prices.currency) == (1, "EUR")


async def test_the_message_says_what_the_table_does(store: WatchedStore) -> None:
    messages, told = PriceMessages(), allowances(store)
    for models in ((), ("other",), ()):
        principal = await told.complete(replace(SPENDER, allowed_models=models))
        message = principal_message(principal)
        assert not message.HasField("prices")
        messages.add_to(message, principal)
        assert [
            (
                each.model,
                each.input_micros_per_million_tokens,
                each.output_micros_per_million_tokens,
            )
            for each in message.prices.prices
        ] == [(model, 1, 2) for model in models or ("other", "smollm2")]
    await keep_prices(store, 2, -HOUR)
    later = await told.complete(_of_version(2))
    message = principal_message(later)
    messages.add_to(message, later)
    assert (message.prices.version, len(message.prices.prices)) == (2, 1)
    without = principal_message(SPENDER)
    messages.add_to(without, SPENDER)
    assert not without.HasField("prices")


async def test_a_tiers_limits_come_with_those_that_are_set(store: WatchedStore) -> None:
    own = Limit(LimitKind.REQUESTS_PER_MINUTE, Subject.API_KEY, "k", 5)
    free = replace(SPENDER.member, tier=Tier.FREE, price_version=0)
    principal = replace(SPENDER, member=free, limits=(own,))
    told = Allowances(store.principals, check_tier_limits({"free": {"tokens_per_minute": 9}}))
    found = await told.complete(principal)
    preset = Limit(LimitKind.TOKENS_PER_MINUTE, Subject.ORGANIZATION, "o", 9)
    assert (found.limits, found.prices, store.watched.read) == ((own, preset), None, 0)
