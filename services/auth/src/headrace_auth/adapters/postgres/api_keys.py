"""API keys in PostgreSQL."""

from datetime import datetime

from sqlalchemy import and_, bindparam, func, insert, select, tuple_, update

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.rows import (
    MEMBER_TABLES,
    api_key_columns,
    member_columns,
    to_api_key,
    to_member,
)
from headrace_auth.adapters.postgres.tables import api_keys, limits, memberships
from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.paging import Position


class PostgresApiKeys:
    """ApiKeys over tables `api_keys` and `limits`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Building this query takes longer than running it, so it is built once.
        belongs = and_(
            memberships.c.user_id == api_keys.c.created_by,
            memberships.c.organization_id == api_keys.c.organization_id,
        )
        self._find = (
            select(*api_key_columns(), *member_columns())
            .select_from(api_keys.join(MEMBER_TABLES, belongs))
            .where(api_keys.c.id == bindparam("api_key_id"))
        )

    async def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                insert(api_keys).values(
                    id=key.api_key_id,
                    secret_sha256=secret_sha256,
                    organization_id=key.organization_id,
                    created_by=key.created_by,
                    name=key.name,
                    scopes=sorted(key.scopes),
                    allowed_models=list(key.allowed_models),
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                    revoked_at=key.revoked_at,
                )
            )
            for limit in key.limits:
                await connection.execute(
                    insert(limits).values(
                        organization_id=key.organization_id,
                        subject_type=limit.subject.value,
                        subject_id=limit.subject_id,
                        kind=limit.kind.value,
                        model=limit.model,
                        amount=limit.amount,
                    )
                )

    async def find(self, api_key_id: str) -> StoredApiKey | None:
        async with self._database.reading() as connection:
            result = await connection.execute(self._find, {"api_key_id": api_key_id})
            row = result.one_or_none()
        if row is None:
            return None
        return StoredApiKey(to_api_key(row), bytes(row.secret_sha256), to_member(row))

    async def page(
        self, organization_id: str, *, created_by: str | None, after: Position | None, size: int
    ) -> list[ApiKey]:
        place = tuple_(api_keys.c.created_at, api_keys.c.id)
        query = (
            select(*api_key_columns())
            .where(api_keys.c.organization_id == organization_id)
            .order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
            .limit(size)
        )
        if created_by is not None:
            query = query.where(api_keys.c.created_by == created_by)
        if after is not None:
            query = query.where(place < tuple_(after.created_at, after.item_id))
        async with self._database.reading() as connection:
            return [to_api_key(row) for row in await connection.execute(query)]

    async def revoke(
        self, api_key_id: str, organization_id: str, *, created_by: str | None, now: datetime
    ) -> ApiKey | None:
        change = (
            update(api_keys)
            .where(api_keys.c.id == api_key_id, api_keys.c.organization_id == organization_id)
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, now))
            .returning(*api_key_columns())
        )
        if created_by is not None:
            change = change.where(api_keys.c.created_by == created_by)
        async with self._database.writing() as connection:
            row = (await connection.execute(change)).one_or_none()
        return to_api_key(row) if row else None
