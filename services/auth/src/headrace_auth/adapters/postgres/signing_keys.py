"""Signing keys in PostgreSQL, private halves encrypted before they get here."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text, update

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.tables import signing_keys
from headrace_auth.ports import SealedSigningKey


class PostgresSigningKeys:
    """SigningKeys over table `signing_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SealedSigningKey]:
        query = select(signing_keys).order_by(signing_keys.c.activates_at, signing_keys.c.kid)
        async with self._database.reading() as connection:
            return [
                SealedSigningKey(
                    kid=row.kid,
                    algorithm=row.algorithm,
                    encrypted_private_key=bytes(row.encrypted_private_key),
                    public_jwk=row.public_jwk,
                    created_at=row.created_at,
                    activates_at=row.activates_at,
                    retires_at=row.retires_at,
                )
                for row in await connection.execute(query)
            ]

    async def add(
        self, key: SealedSigningKey, *, known: Collection[str], others_retire_at: datetime
    ) -> bool:
        async with self._database.writing() as connection:
            # Conflicts with itself, not with readers: racing replicas decide one after another.
            lock = text("LOCK TABLE auth.signing_keys IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute(lock)
            present = await connection.scalars(select(signing_keys.c.kid))
            if set(present) != set(known):
                return False
            sooner = func.least(signing_keys.c.retires_at, others_retire_at)  # of NULL: the other
            await connection.execute(update(signing_keys).values(retires_at=sooner))
            await connection.execute(
                insert(signing_keys).values(
                    kid=key.kid,
                    algorithm=key.algorithm,
                    encrypted_private_key=key.encrypted_private_key,
                    public_jwk=key.public_jwk,
                    created_at=key.created_at,
                    activates_at=key.activates_at,
                    retires_at=key.retires_at,
                )
            )
            return True

    async def delete(self, kids: Collection[str]) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(kids)))
