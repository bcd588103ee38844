"""Users in PostgreSQL."""

from sqlalchemy import bindparam, func, insert, select, text

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.adapters.postgres.rows import MEMBER_TABLES, member_columns, to_member
from headrace_auth.adapters.postgres.tables import memberships, organizations, users
from headrace_auth.domain.principal import Member, Role
from headrace_auth.ports import Account, FirstOwner


class PostgresUsers:
    """Users over tables `users` and `memberships`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Building this query takes longer than running it, so it is built once.
        self._member = (
            select(*member_columns())
            .select_from(MEMBER_TABLES)
            .where(
                memberships.c.user_id == bindparam("user_id"),
                memberships.c.organization_id == bindparam("organization_id"),
            )
        )

    async def account(self, email: str) -> Account | None:
        query = (
            select(users.c.id, users.c.password_hash, memberships.c.organization_id)
            .join_from(users, memberships, memberships.c.user_id == users.c.id, isouter=True)
            .where(func.lower(users.c.email) == email)
            .order_by(memberships.c.created_at, memberships.c.organization_id)
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return Account(row.id, row.password_hash, row.organization_id) if row else None

    async def member(self, user_id: str, organization_id: str) -> Member | None:
        place = {"user_id": user_id, "organization_id": organization_id}
        async with self._database.reading() as connection:
            row = (await connection.execute(self._member, place)).one_or_none()
        return to_member(row) if row else None

    async def any_exists(self) -> bool:
        async with self._database.reading() as connection:
            return bool(await connection.scalar(select(select(users.c.id).exists())))

    async def add_first_owner(self, owner: FirstOwner) -> bool:
        async with self._database.writing() as connection:
            # Conflicts with itself, not with readers: racing starters decide one after another.
            await connection.execute(text("LOCK TABLE auth.users IN SHARE ROW EXCLUSIVE MODE"))
            if await connection.scalar(select(select(users.c.id).exists())):
                return False
            created_at = owner.created_at
            await connection.execute(
                insert(organizations).values(
                    id=owner.organization_id, name=owner.organization_name, created_at=created_at
                )
            )
            await connection.execute(
                insert(users).values(
                    id=owner.user_id,
                    email=owner.email,
                    password_hash=owner.password_hash,
                    token_version=1,
                    created_at=created_at,
                )
            )
            await connection.execute(
                insert(memberships).values(
                    user_id=owner.user_id,
                    organization_id=owner.organization_id,
                    role=Role.OWNER.value,
                    created_at=created_at,
                )
            )
            return True
