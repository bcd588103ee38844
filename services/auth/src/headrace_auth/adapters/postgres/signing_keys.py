"""Signing keys in PostgreSQL, private halves encrypted before they get here."""

from sqlalchemy import insert, select, text

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.tables import signing_keys
from headrace_auth.ports import SealedSigningKey


class PostgresSigningKeys:
    """SigningKeys over table `signing_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_first(self) -> list[SealedSigningKey]:
        query = select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.kid)
        async with self._database.reading() as connection:
            return [
                SealedSigningKey(
                    row.kid,
                    row.algorithm,
                    bytes(row.encrypted_private_key),
                    row.public_jwk,
                    row.created_at,
                )
                for row in await connection.execute(query)
            ]

    async def add_first(self, key: SealedSigningKey) -> bool:
        async with self._database.writing() as connection:
            # Conflicts with itself, not with readers: racing starters decide one after another.
            lock = text("LOCK TABLE auth.signing_keys IN SHARE ROW EXCLUSIVE MODE")
            await connection.execute(lock)
            if await connection.scalar(select(select(signing_keys.c.kid).exists())):
                return False
            await connection.execute(
                insert(signing_keys).values(
                    kid=key.kid,
                    algorithm=key.algorithm,
                    encrypted_private_key=key.encrypted_private_key,
                    public_jwk=key.public_jwk,
                    created_at=key.created_at,
                )
            )
            return True
