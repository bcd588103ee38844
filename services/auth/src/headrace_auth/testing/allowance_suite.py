"""What gateways are told beside what was set for a principal, over any Store."""

from dataclasses import replace
from datetime import timedelta

from headrace_auth.domain.consumption import BudgetRecord
from headrace_auth.domain.directory import Organization
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import CredentialKind, Principal, Tier
from headrace_auth.domain.tiers import check_tier_limits
from headrace_auth.ports import Store
from headrace_auth.testing.directory import ACME, GLOBEX, MEMBER, OWNER
from headrace_auth.testing.suites import keep, make_key
from headrace_auth.use_cases.credentials.allowances import Allowances
from headrace_auth.use_cases.credentials.resolve import principal_of_key

HOUR = timedelta(hours=1)
KEY = make_key(1)


async def keep_prices(store: Store, version: int, begins_in: timedelta, *models: str) -> PriceTable:
    """A table that is in force from then on; each model costs as much as the version says."""
    price = {
        "input_micros_per_million_tokens": version,
        "output_micros_per_million_tokens": 2 * version,
    }
    async with store.begin() as transaction:
        now = await transaction.now()
    prices = dict.fromkeys(models or ("smollm2",), price)
    table = PriceTable(version, "EUR", prices, now + begins_in, OWNER.user_id, now)
    await keep(store, table)
    return table


async def key_principal(store: Store) -> Principal:
    """Whom KEY acts as now, as resolving tells it."""
    stored = await store.principals.api_key(KEY.api_key_id)
    if stored is None:
        raise LookupError("no such key")
    return principal_of_key(stored, CredentialKind.API_KEY, None)


def allowances(store: Store) -> Allowances:
    """Without limits of tiers."""
    return Allowances(store.principals, check_tier_limits({}))


class AllowancesSuite:
    """Subclasses provide a fixture `store`, filled with the directory."""

    async def test_who_acts_has_the_tier_of_its_organisation(self, store: Store) -> None:
        await keep(store, KEY)
        async with store.begin() as transaction:
            acme = await transaction.of(Organization).get(ACME)
            assert acme is not None
            assert acme.tier is Tier.STANDARD
            await transaction.of(Organization).put(replace(acme, tier=Tier.PREMIUM))
        assert (await key_principal(store)).member.tier is Tier.PREMIUM
        elsewhere = await store.principals.member(MEMBER.user_id, GLOBEX)
        assert elsewhere is not None
        assert elsewhere.tier is Tier.STANDARD

    async def test_in_force_is_the_highest_version_of_prices_whose_time_has_come(
        self, store: Store
    ) -> None:
        await keep(store, KEY)
        versions = [(await key_principal(store)).member.price_version]
        for version, begins_in in enumerate((-2 * HOUR, HOUR, -3 * HOUR), start=1):
            await keep_prices(store, version, begins_in)
            versions.append((await key_principal(store)).member.price_version)
        assert versions == [0, 1, 1, 3]
        member = await store.principals.member(MEMBER.user_id, ACME)
        assert member is not None
        assert member.price_version == 3

    async def test_a_version_of_prices_comes_back_as_it_was(self, store: Store) -> None:
        table = await keep_prices(store, 1, HOUR, "smollm2", "other")
        assert await store.principals.price_table(1) == table
        assert await store.principals.price_table(2) is None

    async def test_who_has_a_budget_is_told_the_prices_in_force(self, store: Store) -> None:
        await keep(store, KEY)
        told = allowances(store)
        assert (await told.complete(await key_principal(store))).prices is None
        for version in (1, 2):
            table = await keep_prices(store, version, -HOUR, "smollm2", "other")
            assert (await told.complete(await key_principal(store))).prices == table

    async def test_who_has_no_budget_is_told_none(self, store: Store) -> None:
        await keep(store, KEY)
        await keep_prices(store, 1, -HOUR)
        async with store.begin() as transaction:
            for budget in await transaction.of(BudgetRecord).find(organization_id=ACME):
                key = [getattr(budget, name) for name in BudgetRecord.KIND.key]
                await transaction.of(BudgetRecord).remove(*key)
        principal = await key_principal(store)
        assert await allowances(store).complete(principal) is principal
