"""The queries that resolve credentials, each one round trip."""

from collections.abc import Sequence

from sqlalchemy import Text, and_, any_, bindparam, exists, select
from sqlalchemy.dialects.postgresql import ARRAY

from headrace_auth.adapters.postgres.records import TableOf
from headrace_auth.adapters.postgres.rows import (
    MEMBER_TABLES,
    key_columns,
    member_columns,
    to_budgets,
    to_limits,
    to_member,
)
from headrace_auth.adapters.postgres.tables import (
    api_keys,
    memberships,
    price_tables,
    revocations,
    users,
)
from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Member
from headrace_common.postgres_reads import Query, ReadPool


class PostgresPrincipals:
    """Principals; the queries are compiled once, for that takes longer than running them."""

    def __init__(self, reads: ReadPool) -> None:
        self._reads = reads
        self._keys = TableOf(ApiKey, api_keys)
        belongs = and_(
            memberships.c.user_id == api_keys.c.created_by,
            memberships.c.organization_id == api_keys.c.organization_id,
        )
        self._api_key = Query.of(
            select(*self._keys.columns(), *key_columns(), *member_columns())
            .select_from(api_keys.join(MEMBER_TABLES, belongs))
            .where(api_keys.c.id == bindparam("api_key_id"), users.c.disabled_at.is_(None))
        )
        self._member = Query.of(
            select(*member_columns())
            .select_from(MEMBER_TABLES)
            .where(
                memberships.c.user_id == bindparam("user_id"),
                memberships.c.organization_id == bindparam("organization_id"),
                users.c.disabled_at.is_(None),
                ~exists().where(
                    revocations.c.organization_id == memberships.c.organization_id,
                    revocations.c.revocation_id == any_(bindparam("ended", type_=ARRAY(Text))),
                ),
            )
        )
        self._tables = TableOf(PriceTable, price_tables)
        self._prices = Query.of(
            select(*self._tables.columns()).where(price_tables.c.version == bindparam("version"))
        )

    async def api_key(self, api_key_id: str) -> StoredApiKey | None:
        row = await self._reads.fetch_one(self._api_key, api_key_id=api_key_id)
        if row is None:
            return None
        return StoredApiKey(
            self._keys.record(row),
            to_member(row),
            to_limits(row["key_limits"]),
            to_budgets(row["key_budgets"]),
        )

    async def member(
        self, user_id: str, organization_id: str, *, unless_ended: Sequence[str] = ()
    ) -> Member | None:
        row = await self._reads.fetch_one(
            self._member,
            user_id=user_id,
            organization_id=organization_id,
            ended=list(unless_ended),
        )
        return to_member(row) if row else None

    async def price_table(self, version: int) -> PriceTable | None:
        row = await self._reads.fetch_one(self._prices, version=version)
        return self._tables.record(row) if row else None
