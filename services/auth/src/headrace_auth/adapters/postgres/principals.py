"""The two queries that resolve credentials, each one round trip."""

from collections.abc import Sequence

from sqlalchemy import Text, and_, any_, bindparam, exists, select
from sqlalchemy.dialects.postgresql import ARRAY

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.records import TableOf
from headrace_auth.adapters.postgres.rows import (
    MEMBER_TABLES,
    key_columns,
    member_columns,
    to_budgets,
    to_limits,
    to_member,
)
from headrace_auth.adapters.postgres.tables import api_keys, memberships, revocations, users
from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.principal import Member


class PostgresPrincipals:
    """Principals; the queries are built once, for building takes longer than running them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = TableOf(ApiKey, api_keys)
        belongs = and_(
            memberships.c.user_id == api_keys.c.created_by,
            memberships.c.organization_id == api_keys.c.organization_id,
        )
        self._api_key = (
            select(*self._keys.columns(), *key_columns(), *member_columns())
            .select_from(api_keys.join(MEMBER_TABLES, belongs))
            .where(api_keys.c.id == bindparam("api_key_id"), users.c.disabled_at.is_(None))
        )
        self._member = (
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

    async def api_key(self, api_key_id: str) -> StoredApiKey | None:
        async with self._database.reading() as connection:
            result = await connection.execute(self._api_key, {"api_key_id": api_key_id})
            row = result.one_or_none()
        if row is None:
            return None
        return StoredApiKey(
            self._keys.record(row),
            to_member(row),
            to_limits(row.key_limits),
            to_budgets(row.key_budgets),
        )

    async def member(
        self, user_id: str, organization_id: str, *, unless_ended: Sequence[str] = ()
    ) -> Member | None:
        place = {
            "user_id": user_id,
            "organization_id": organization_id,
            "ended": list(unless_ended),
        }
        async with self._database.reading() as connection:
            row = (await connection.execute(self._member, place)).one_or_none()
        return to_member(row) if row else None
