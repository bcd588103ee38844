"""A Store and a RevocationAnnouncer in this process's memory, for tests and trials."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from headrace_auth.domain.api_keys import ApiKey, StoredApiKey
from headrace_auth.domain.paging import Position
from headrace_auth.domain.principal import Budget, Limit, Member, Role, Subject
from headrace_auth.ports import Account, FirstOwner, SealedSigningKey


@dataclass(slots=True)
class MemoryUser:
    """A user's row."""

    user_id: str
    email: str
    password_hash: str
    token_version: int = 1


@dataclass(frozen=True, slots=True)
class MemoryMembership:
    """A membership's row."""

    user_id: str
    organization_id: str
    role: Role
    team_id: str | None = None


@dataclass(slots=True)
class MemoryTables:
    """The rows; limits and budgets each with the organisation that set them."""

    users: dict[str, MemoryUser] = field(default_factory=dict)
    memberships: dict[tuple[str, str], MemoryMembership] = field(default_factory=dict)
    keys: dict[str, tuple[ApiKey, bytes]] = field(default_factory=dict)
    limits: list[tuple[str, Limit]] = field(default_factory=list)
    budgets: list[tuple[str, Budget]] = field(default_factory=list)
    signing_keys: list[SealedSigningKey] = field(default_factory=list)


class MemoryUsers:
    """Users over MemoryTables."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def account(self, email: str) -> Account | None:
        for user in self._tables.users.values():
            if user.email == email:
                joined = [key[1] for key in self._tables.memberships if key[0] == user.user_id]
                return Account(user.user_id, user.password_hash, joined[0] if joined else None)
        return None

    async def member(self, user_id: str, organization_id: str) -> Member | None:
        membership = self._tables.memberships.get((user_id, organization_id))
        if membership is None:
            return None
        subjects = {
            (Subject.USER, user_id),
            (Subject.TEAM, membership.team_id),
            (Subject.ORGANIZATION, organization_id),
        }
        return Member(
            user_id,
            organization_id,
            membership.role,
            self._tables.users[user_id].token_version,
            tuple(
                limit
                for owner, limit in self._tables.limits
                if owner == organization_id and (limit.subject, limit.subject_id) in subjects
            ),
            tuple(
                budget
                for owner, budget in self._tables.budgets
                if owner == organization_id and (budget.subject, budget.subject_id) in subjects
            ),
        )

    async def any_exists(self) -> bool:
        return bool(self._tables.users)

    async def add_first_owner(self, owner: FirstOwner) -> bool:
        if self._tables.users:
            return False
        self._tables.users[owner.user_id] = MemoryUser(
            owner.user_id, owner.email, owner.password_hash
        )
        self._tables.memberships[owner.user_id, owner.organization_id] = MemoryMembership(
            owner.user_id, owner.organization_id, Role.OWNER
        )
        return True


class MemoryApiKeys:
    """ApiKeys over MemoryTables."""

    def __init__(self, tables: MemoryTables, users: MemoryUsers) -> None:
        self._tables = tables
        self._users = users

    async def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        self._tables.keys[key.api_key_id] = (key, secret_sha256)

    async def find(self, api_key_id: str) -> StoredApiKey | None:
        row = self._tables.keys.get(api_key_id)
        if row is None:
            return None
        key, secret_sha256 = row
        member = await self._users.member(key.created_by, key.organization_id)
        return StoredApiKey(key, secret_sha256, member) if member else None

    async def page(
        self, organization_id: str, *, created_by: str | None, after: Position | None, size: int
    ) -> list[ApiKey]:
        found = [
            (Position(key.created_at, key.api_key_id), key)
            for key, _ in self._tables.keys.values()
            if key.organization_id == organization_id and created_by in (None, key.created_by)
        ]
        found.sort(key=lambda item: item[0], reverse=True)
        return [key for position, key in found if after is None or position < after][:size]

    async def revoke(
        self, api_key_id: str, organization_id: str, *, created_by: str | None, now: datetime
    ) -> ApiKey | None:
        row = self._tables.keys.get(api_key_id)
        if row is None or row[0].organization_id != organization_id:
            return None
        key, secret_sha256 = row
        if created_by not in (None, key.created_by):
            return None
        revoked = replace(key, revoked_at=key.revoked_at or now)
        self._tables.keys[api_key_id] = (revoked, secret_sha256)
        return revoked


class MemorySigningKeys:
    """SigningKeys over MemoryTables."""

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def newest_first(self) -> list[SealedSigningKey]:
        return sorted(self._tables.signing_keys, key=lambda key: key.created_at, reverse=True)

    async def add_first(self, key: SealedSigningKey) -> bool:
        if self._tables.signing_keys:
            return False
        self._tables.signing_keys.append(key)
        return True


class MemoryStore:
    """A Store whose rows are in `tables`, gone with the process."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.users = MemoryUsers(self.tables)
        self.api_keys = MemoryApiKeys(self.tables, self.users)
        self.signing_keys = MemorySigningKeys(self.tables)


class MemoryRevocationAnnouncer:
    """Remembers the ids that were announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    async def announce(self, _organization_id: str, credential_id: str) -> None:
        self.announced.append(credential_id)
